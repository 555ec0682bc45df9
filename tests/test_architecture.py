"""Who may import whom, how large a room may grow, and that importing does no work: the rules of the house."""

import ast
import os
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "orchestration"
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
FLOORS = (  # a module may import what lies on a lower floor, and its own room
    {"exchanges"},
    {"context"},
    {"universe"},
    {
        "settings",
        "home",
        "forking",
        "guard",
        "manifest",
        "contracts",
        "coverage",
        "planning",
        "score",
        "expectations",
    },
    {"lake"},
    {"listing", "claims", "sandbox"},
    {"ingest", "brief"},
    {"evaluation"},
    {"defs"},
    {"definitions"},
    {"cli"},
)
ONLY_IN = {  # a library that one room alone may know
    "ccxt": {"exchanges"},
    "great_expectations": {"expectations.py"},
    "pandera": {"contracts.py"},
    "altair": {"brief", "evaluation"},
    "vl_convert": {"brief"},
    "PIL": {"brief"},
    "jinja2": {"brief", "evaluation"},
    "aiohttp": {"context", "sandbox"},
    "starlette": {"guard.py"},
    "uvicorn": {"defs"},
    "dagster_webserver": {"defs"},
    "typer": {"cli"},
    "rich": {"cli"},
    "dagster": {"defs", "definitions.py"},
    "dagster_dbt": {"defs"},
}
IN_EXCHANGES = {  # what each module of that room may import of it; of ours it may import nothing else
    "__init__.py": {"declaration"},
    "declaration.py": set(),
    "paging.py": set(),
    "tickers.py": set(),
    "wire.py": {"tickers"},
    "session.py": set(),
    "client.py": {"declared", "session"},
    "fetch.py": {"declared", "reader", "client", "paging", "tickers", "wire"},
    "<ccxt id>/__init__.py": {"declaration"},
    "<ccxt id>/rest.py": {"paging", "wire"},
}
LARGEST_FILE = 500  # lines
READS_ENVIRONMENT = re.compile(r"os\.getenv|os\.environ\.get|os\.environ\[[^]]+\](?! =)|datetime\.now")


def imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse((PACKAGE / path).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room(path: Path) -> str:
    return path.parts[0].removesuffix(".py")


def rooms_imported(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imports(path) if name.startswith("orchestration.")}


def test_every_room_has_a_floor():
    assert {room(path) for path in MODULES} - {"__init__"} == set.union(*FLOORS)


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_no_import_climbs(path):
    lower: set[str] = set()
    for floor in FLOORS:
        if room(path) in floor:
            assert rooms_imported(path) - {room(path)} <= lower
        lower |= floor


def test_no_import_circles():
    named = {
        ".".join(("orchestration", *path.with_suffix("").parts)).removesuffix(".__init__"): path for path in MODULES
    }
    graph = {}
    for name, path in named.items():
        modules = {part if part in named else part.rpartition(".")[0] for part in imports(path)}
        graph[name] = modules & named.keys() - {name}
    TopologicalSorter(graph).prepare()  # raises CycleError that names the circle


@pytest.mark.parametrize("library", ONLY_IN)
def test_library_is_known_to_one_room(library):
    users = {path.parts[0] for path in MODULES if any(name.split(".")[0] == library for name in imports(path))}
    assert users <= ONLY_IN[library]


@pytest.mark.parametrize("path", [path for path in MODULES if path.parts[0] == "exchanges"], ids=str)
def test_exchanges_know_nothing_of_each_other(path):
    ours = [name.split(".")[1:] for name in imports(path) if name.startswith("orchestration.")]
    _, *folder, module = path.parts
    assert {part for _, part, *_ in ours} <= IN_EXCHANGES["/".join([*("<ccxt id>" for _ in folder), module])]


def test_environment_and_clock_are_read_in_one_place():
    readers = {str(path) for path in MODULES if READS_ENVIRONMENT.search((PACKAGE / path).read_text())}
    assert readers == {"settings.py", "sandbox/server.py"}  # a server of others' traffic has a clock of its own


@pytest.mark.parametrize("path", [*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py")], ids=lambda path: path.name)
def test_no_file_bursts(path):
    assert len(path.read_text().splitlines()) <= LARGEST_FILE


IMPORT_EVERYTHING = """
import os
before = dict(os.environ)
from importlib import import_module
from pkgutil import walk_packages
import orchestration
for module in walk_packages(orchestration.__path__, "orchestration."):
    import_module(module.name)
ours = {name for name in os.environ.keys() - before.keys() if name.startswith(("MARKET_STRESS", "DAGSTER"))}
changed = {name for name in before if os.environ.get(name) != before[name]}
print(sorted(ours | changed))
"""


@pytest.mark.slow
def test_importing_writes_nothing_and_sets_no_variable(tmp_path):
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, "-c", IMPORT_EVERYTHING], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == "[]"
    assert list(tmp_path.iterdir()) == []


def test_top_level_holds_nothing_else():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert {Path(name).parts[0] for name in listed} <= {
        "pyproject.toml", "README.md", "orchestration", "dbt_project", "tests", "data_contracts", "docs",
        "Makefile", "requirements.lock", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", ".ci", ".gitignore",
        ".pre-commit-config.yaml",
    }  # fmt: skip
