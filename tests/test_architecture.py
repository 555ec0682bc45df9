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
    "altair": {"report.py"},
    "aiohttp": {"sandbox"},
    "typer": {"cli.py"},
    "rich": {"cli.py"},
}
LOWER_THAN = {  # a module and those of ours that it may import; what isn't listed may import every plain module
    "universe.py": {"exchanges"},
    "coverage.py": set(),
    "stress.py": {"universe"},
    "contracts.py": {"universe"},
    "settings.py": {"universe"},
    "lake.py": {"universe", "contracts"},
    "expectations.py": {"universe"},
    "report.py": {"exchanges", "lake", "stress"},
    "ingest.py": {"universe", "contracts", "coverage", "exchanges", "lake"},
}
IN_EXCHANGES = {  # what each module of that room may import of it; of ours it may import nothing else
    "__init__.py": {"declaration"},
    "declaration.py": set(),
    "paging.py": set(),
    "wire.py": set(),
    "client.py": {"declared"},
    "fetch.py": {"declared", "reader", "client", "paging", "wire"},
    "<ccxt id>/__init__.py": {"declaration"},
    "<ccxt id>/rest.py": {"paging", "wire"},
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
    ours = {name.split(".")[1] for name in imports(Path(module)) if name.startswith("orchestration.")}
    assert ours <= LOWER_THAN[module]


@pytest.mark.parametrize("path", [path for path in MODULES if path.parts[0] == "exchanges"], ids=str)
def test_exchanges_know_nothing_above_them_and_nothing_of_each_other(path):
    ours = [name.split(".")[1:] for name in imports(path) if name.startswith("orchestration.")]
    assert {room for room, *_ in ours} <= {"exchanges"}
    _, *folder, module = path.parts
    assert {part for _, part, *_ in ours} <= IN_EXCHANGES["/".join([*("<ccxt id>" for _ in folder), module])]


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
        "docs", "Makefile", "requirements.lock", "LICENSE", ".ci", ".gitignore",
    }  # fmt: skip
