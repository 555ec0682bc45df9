"""dbt's manifest, from which Dagster learns the models: made where it is missing or older than the dbt project.

Here belongs parsing alone. A home has a manifest of its own, since what dbt has parsed holds the home's path.
"""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "dbt_project"
DBT = Path(sys.executable).with_name("dbt")


def target(home: Path) -> Path:
    """Where dbt keeps what it has parsed and how its last build went."""
    return home / "dbt"


def parse(home: Path) -> None:
    """Runs `dbt parse` where the manifest is missing or out of date, so that a fresh clone just works.

    Whoever comes while another process parses waits for it. Raises RuntimeError if dbt can't parse the project.
    """
    folder = target(home)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".parsing").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_fresh(folder / "manifest.json"):
            options = {
                "--project-dir": PROJECT,
                "--profiles-dir": PROJECT,
                "--target-path": folder,
                "--log-path": folder,
            }
            # What dbt parses by half after a change has lost the descriptions of singular tests.
            command = [
                DBT,
                "--quiet",
                "parse",
                "--no-partial-parse",
                *(word for option in options.items() for word in option),
            ]
            environment = {**os.environ, "MARKET_STRESS_HOME": str(home)}
            if subprocess.run([str(word) for word in command], env=environment, check=False).returncode != 0:
                raise RuntimeError(f"dbt can't parse {PROJECT}: see {folder / 'dbt.log'}")


def _is_fresh(manifest: Path) -> bool:
    if not manifest.exists() or manifest.stat().st_mtime <= max(file.stat().st_mtime for file in _sources()):
        return False
    try:
        return "nodes" in json.loads(manifest.read_bytes())
    except ValueError:  # damaged
        return False


def _sources() -> list[Path]:
    folders = [PROJECT / name for name in ("models", "macros", "tests", "seeds")]
    return [*PROJECT.glob("*.yml"), *(file for folder in folders for file in folder.rglob("*") if file.is_file())]
