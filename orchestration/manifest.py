"""dbt's manifest, from which Dagster learns the models: made where it is missing or older than the dbt project.

Here belongs parsing alone, so that it can go on while heavier things are loaded. A home has a manifest of its own,
since what dbt has parsed holds the home's path.
"""

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "dbt_project"
DBT = Path(sys.executable).with_name("dbt")


def target(home: Path) -> Path:
    """Where dbt keeps what it has parsed and how its last build went."""
    return home / "dbt"


def start_parsing(home: Path) -> subprocess.Popen | None:
    """Starts `dbt parse` where the manifest is not up to date, so that a fresh clone just works; None where it is."""
    manifest = target(home) / "manifest.json"
    if manifest.exists() and manifest.stat().st_mtime > max(file.stat().st_mtime for file in _sources()):
        return None
    command = [
        DBT,
        "--quiet",
        "parse",
        "--project-dir",
        PROJECT,
        "--profiles-dir",
        PROJECT,
        "--target-path",
        target(home),
    ]
    return subprocess.Popen([*map(str, command), "--log-path", str(target(home))])


def parse(home: Path) -> None:
    """Waits until the manifest is up to date; RuntimeError if dbt can't parse the project."""
    parsing = start_parsing(home)
    if parsing and parsing.wait() != 0:
        raise RuntimeError(f"dbt can't parse {PROJECT}: see {target(home) / 'dbt.log'}")


def _sources() -> list[Path]:
    folders = [PROJECT / name for name in ("models", "macros", "tests", "seeds")]
    return [*PROJECT.glob("*.yml"), *(file for folder in folders for file in folder.rglob("*") if file.is_file())]
