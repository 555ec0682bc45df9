"""The guide to exchanges is true of the code: what each serves, the cases, and the golden rows that it cites."""

import re
from datetime import timedelta
from pathlib import Path

from golden import FOLDER, golden

from orchestration.exchanges import declared
from orchestration.exchanges.declaration import DATASETS, Declaration, Feed

GUIDE = (Path(__file__).parents[1] / "docs" / "adding-an-exchange.md").read_text()


def section(title: str) -> str:
    return GUIDE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def table() -> list[str]:
    """What each exchange serves as the guide has to show it: `-` is not served, (30 d) how far back it is declared."""
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


def test_guide_shows_what_is_declared():
    shown = [row for row in section("What each serves").splitlines() if row.startswith("|")]
    assert shown == table(), "the table has to be:\n" + "\n".join(table())


def test_guide_lists_the_cases_that_run():
    numbers = re.findall(r"def test_d(\d+)_", (Path(__file__).parent / "test_exchanges.py").read_text())
    assert re.findall(r"^\| D(\d+) \|", section("The cases"), re.MULTILINE) == numbers


def test_every_golden_row_is_evidence_of_a_claim():
    cited = set(re.findall(r"`(\w+/\w+)`", section("Evidence")))
    assert cited == {f"{exchange.name}/{one.case}" for exchange in FOLDER.iterdir() for one in golden(exchange.name)}
