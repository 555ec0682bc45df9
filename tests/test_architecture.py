"""Who may import whom: the rules of the house, read from the source."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "orchestration"
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
MAY_KNOW_DAGSTER = {Path("definitions.py"), *(path for path in MODULES if path.parts[0] == "defs")}
ONLY_IN = {  # a library that one module alone may know
    "ccxt": {"exchanges"},
    "great_expectations": {"expectations.py"},
    "pandera": {"contracts.py"},
    "altair": {"brief"},
    "vl_convert": {"brief"},
    "PIL": {"brief"},
    "jinja2": {"brief"},
    "aiohttp": {"sandbox"},
    "typer": {"cli.py"},
    "rich": {"cli.py"},
}
LOWER_THAN = {  # a module and those of ours that it may import; what isn't listed may import every plain module
    "universe.py": set(),
    "coverage.py": set(),
    "stress.py": {"universe"},
    "contracts.py": {"universe"},
    "settings.py": {"universe"},
    "lake.py": {"universe", "contracts"},
    "expectations.py": {"universe"},
    "brief/__init__.py": {"brief", "lake"},
    "brief/query.py": set(),
    "brief/words.py": set(),
    "brief/days.py": set(),
    "brief/measures.py": {"stress", "brief.query"},
    "brief/coverage.py": {"brief.measures", "brief.query"},
    "brief/figures.py": {"stress", "brief.measures", "brief.query", "brief.words"},
    "brief/sentences.py": {"brief.measures", "brief.words"},
    "brief/drawing.py": {"brief.days"},
    "brief/rendering.py": {"brief.words"},
    "brief/charts/__init__.py": {"brief.charts"},
    "brief/page.py": {"stress", "brief.coverage", "brief.drawing", "brief.measures", "brief.sentences", "brief.words"},
    "ingest.py": {"universe", "contracts", "coverage", "exchanges", "lake"},
}


def imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse((PACKAGE / path).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_plain_modules_never_import_dagster():
    guilty = {str(path) for path in MODULES if any(name.startswith("dagster") for name in imports(path))}
    assert guilty <= {str(path) for path in MAY_KNOW_DAGSTER}


@pytest.mark.parametrize("library", ONLY_IN)
def test_library_is_known_to_one_module(library):
    users = {path.parts[0] for path in MODULES if any(name.split(".")[0] == library for name in imports(path))}
    assert users <= ONLY_IN[library]


@pytest.mark.parametrize("module", LOWER_THAN)
def test_imports_run_one_way(module):
    ours = {name.removeprefix("orchestration.") for name in imports(Path(module)) if name.startswith("orchestration.")}
    assert {name for name in ours if not any(f"{name}.".startswith(f"{room}.") for room in LOWER_THAN[module])} == set()


def test_only_the_front_imports_defs():
    guilty = {
        str(path)
        for path in MODULES
        if path.parts[0] not in {"defs", "cli.py"}
        and any(name.startswith("orchestration.defs") for name in imports(path))
    }
    assert guilty == set()


def test_environment_is_read_in_one_place():
    readers = {
        str(path)
        for path in MODULES
        if "os.environ" in (PACKAGE / path).read_text() or "datetime.now" in (PACKAGE / path).read_text()
    }
    assert readers <= {"settings.py", "cli.py", "sandbox/server.py"}  # the CLI sets what its children read


def test_top_level_holds_nothing_else():
    import subprocess

    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert {Path(name).parts[0] for name in listed} <= {
        "pyproject.toml", "README.md", "orchestration", "dbt_project", "tests", "data_contracts",
        "Makefile", "requirements.lock", "LICENSE", ".ci", ".gitignore",
    }  # fmt: skip
