"""The papers are true where that is cheap to check: links, names of tables, variables, commands and paths, what each
exchange serves, the cases, and the golden rows that are evidence. And nothing cites a paper that isn't in here."""

import re
import subprocess
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
import typer
from golden import FOLDER, golden

from orchestration import cli
from orchestration.exchanges import declared
from orchestration.exchanges.declaration import DATASETS, Declaration, Feed

ROOT = Path(__file__).parents[1]
PAPERS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
EXCHANGES, GUIDE = ((ROOT / "docs" / name).read_text() for name in ("exchanges.md", "adding-an-exchange.md"))
GRAINS = "hourly|daily|weekly|monthly"
INSIDE = {path.stem for path in (ROOT / "dbt_project").rglob("*.sql")}
MARTS = (
    {path.stem for path in (ROOT / "dbt_project" / "models" / "marts").rglob("*.sql")}
    | {"market_stress"}
    | {"claim_checks"}
)
TOP_LEVEL = "orchestration|dbt_project|data_contracts|tests|docs"

papers = pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.name)


def code(paper: Path) -> str:
    """What a paper sets as code, in blocks and in lines, one piece a line, with lines of a command joined."""
    text = paper.read_text()
    blocks = re.findall(r"^```(?:sh|sql|text)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    return "\n".join([*blocks, *(" ".join(span.split()) for span in spans)])


def anchors(paper: Path) -> set[str]:
    """The anchors of a paper's headings, as hosts of repositories make them."""
    headings = re.findall(r"^#+ (.*)$", paper.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@cache
def commands() -> dict[str, set[str]]:
    """The options of every command."""
    words = typer.main.get_command(cli.app).commands
    return {name: {word for option in command.params for word in option.opts} for name, command in words.items()}


@papers
def test_links_lead_somewhere(paper):
    for target in re.findall(r"\]\(([^)\s]+)\)", paper.read_text()):
        if not target.startswith("https://"):
            name, _, anchor = target.partition("#")
            file = (paper.parent / name).resolve() if name else paper
            assert file.exists(), target
            assert not anchor or anchor in anchors(file), target


@papers
def test_paths_lead_somewhere(paper):
    for path in re.findall(rf"(?<![\w/.-])(?:{TOP_LEVEL})/[\w./-]*", code(paper)):
        if not re.search(rf"{re.escape(path)}[<*{{]", code(paper)):
            assert (ROOT / path).exists() or "bitget" in path, path


@papers
def test_tables_are_published(paper):
    text = code(paper)
    for stem, grains in re.findall(r"\b([a-z]\w*_){([a-z,]+)}", text):
        assert {stem + grain for grain in grains.split(",")} <= MARTS
    assert set(re.findall(r"\bselect\b[^;]*?\bfrom (\w+)", text)) <= MARTS
    named = {*re.findall(rf"\b[a-z]\w*_(?:{GRAINS})\b", text), *re.findall(r"\b(?:int|stg)_\w+", text)}
    assert named - {"ingest_hourly"} <= MARTS | INSIDE  # that one is a schedule


@papers
def test_variables_are_read(paper):
    read = set(re.findall(r"MARKET_STRESS_\w+", (ROOT / "orchestration" / "settings.py").read_text()))
    assert set(re.findall(r"MARKET_STRESS_[A-Z_]+", paper.read_text())) <= read


@papers
def test_commands_are_there(paper):
    text = code(paper).replace("\\\n", " ")
    for line in re.findall(r"\bmarket-stress ([a-z].*)", text):
        name, *rest = line.split("#")[0].split()
        assert name in commands()
        assert {word for word in rest if word.startswith("--")} <= commands()[name]
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in re.findall(r"^make ([a-z -]+)", text, re.MULTILINE):
        assert set(line.split()) <= targets


def test_nothing_cites_papers_that_are_elsewhere():
    """Tests may look for recordings beside the checkout; nothing else knows what lies there."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for name in {*listed} - {"requirements.lock", "tests/test_docs.py"}:
        path = ROOT / name
        if path.suffix in {".py", ".sql", ".yml", ".yaml", ".md", ".toml", ".j2", ""} and path.is_file():
            text = path.read_text()
            assert not re.search(r"\bDESIGN\b", text), name
            assert not re.search(r"\.\./shared|shared/docs", text), name
            for paper in re.findall(r"\bdocs/[\w-]+\.md", text):
                assert (ROOT / paper).exists(), f"{name} cites {paper}"


def section(paper: str, title: str) -> str:
    return paper.split(f"\n## {title}\n")[1].split("\n## ")[0]


def table() -> list[str]:
    """What each exchange serves as the page has to show it: `-` is not served, (30 d) how far back it is declared."""
    heads = [dataset.replace("_", " ") for dataset in DATASETS]
    return [
        f"| exchange | {' | '.join(heads)} | liquidations are |",
        "|---|" + "---|" * (len(heads) + 1),
        *(line(declaration) for declaration in declared().values()),
    ]


def line(declaration: Declaration) -> str:
    natures = [f"{epoch.completeness} since {epoch.since}" for epoch in declaration.epochs]
    cells = [cell(feed) for feed in declaration.feeds.values()]
    return f"| {declaration.exchange} | {' | '.join(cells)} | {', '.join(natures) or '-'} |"


def cell(feed: Feed) -> str:
    depth = f" ({feed.depth.reach // timedelta(days=1)} d)" if feed.depth else ""
    return f"`{feed.endpoint}`{depth}" if feed.served else "-"


def test_what_each_serves_is_what_is_declared():
    shown = [row for row in section(EXCHANGES, "What each serves").splitlines() if row.startswith("|")]
    assert shown == table(), "the table has to be:\n" + "\n".join(table())


def test_guide_lists_the_cases_that_run():
    numbers = re.findall(r"def test_d(\d+)_", (Path(__file__).parent / "test_exchanges.py").read_text())
    assert re.findall(r"^\| D(\d+) \|", section(GUIDE, "The cases"), re.MULTILINE) == numbers


def test_every_golden_row_is_evidence_of_a_claim():
    cited = set(re.findall(r"`(\w+/\w+)`", section(EXCHANGES, "Evidence")))
    assert cited == {f"{exchange.name}/{one.case}" for exchange in FOLDER.iterdir() for one in golden(exchange.name)}
