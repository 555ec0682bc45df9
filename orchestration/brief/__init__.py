"""The brief: the figures that articles talk about, from the published warehouse, each with its table and query.

Here stands what others call; importing it loads nothing heavy. The rooms, in the order in which a figure walks through
them:

- `query`      values as SQL, answers as Python and JSON have them
- `measures`   which figures there are, and how each is asked of the warehouse
- `context`    what surrounds the market, without weight in the score
- `coverage`   how much was observed, what wasn't, and why
- `claims`     what others have stated, and the verdict on each
- `origins`    whether a tape stood in for an exchange
- `figures`    each figure's value, completeness and reason
- `words`      how a figure, a share or a moment reads
- `sentences`  headline, summary and warnings
- `days`, `drawing`, `charts`, `rendering`   what the charts share, the charts, and how they become SVG and PNG
- `standing`   tables shown as they stand in the warehouse: stabilisation, what the score rests on
- `page`       the layout, over `templates/`
- `method`     the method page beside it
- `document`   puts it all together and writes the files
"""

from datetime import datetime
from pathlib import Path


def write_brief(warehouse: Path, folder: Path, *, written_at: datetime) -> dict:
    """Writes `brief.html`, `brief.json` and `method.html` to `folder`, each replaced atomically, and returns the brief.

    The brief is as of the latest hour of `market_hourly`; `written_at` (aware) only tells how late that is. `figures`
    are {name, asset, label, value, unit, as_of, completeness, reason, table, query}: `query` gives `value` again
    through `market-stress sql`, and a figure without data has value None and a reason. `claims` are the rows of
    `claim_checks`. `mark` and `origins` say what of it is no fact. Raises FileNotFoundError without a warehouse,
    ValueError if an earlier version published it.
    """
    from orchestration.brief import document

    return document.write_brief(warehouse, folder, written_at=written_at)


def headline(brief: dict) -> list[tuple[str, str]]:
    """(name, value) lines that sum the brief up, also from a `brief.json` read back."""
    from orchestration.brief import sentences

    return sentences.headline(brief)


def chart_png(warehouse: Path, name: str) -> bytes:
    """The chart `liquidations`, `open_interest` or `score` as a PNG of less than 60 KB, e.g. for Dagster's metadata.

    Raises FileNotFoundError without a warehouse.
    """
    from orchestration.brief import document

    return document.chart_png(warehouse, name)


def origin_mark(warehouse: Path) -> str:
    """SIMULATED, REPLAYED or both, where a warehouse isn't live (IN PART); else empty. Raises like `write_brief`."""
    from orchestration.brief.origins import origins
    from orchestration.lake.publish import read_only

    with read_only(warehouse.parent, warehouse.name) as connection:
        return origins(connection).mark


def coverage_summary(warehouse: Path, now: datetime) -> list[dict]:
    """What the published warehouse knows of every exchange and dataset at `now`, as `market-stress status` shows it.

    Hours since those that its build counted are looked for among the receipts beside it, so that neither a schedule nor
    a refresh that stopped looks complete. {exchange, dataset, first_date, last_date, hours: {state: instrument-hours},
    observed_ratio, reason}, see `coverage.summary`. Raises FileNotFoundError without a warehouse.
    """
    from orchestration.brief import coverage
    from orchestration.lake.publish import read_only

    until = now.replace(minute=0, second=0, microsecond=0)
    with read_only(warehouse.parent, warehouse.name) as connection:
        asked = coverage.asked_since(warehouse.parent, coverage.counted_until(connection) or until, until)
        return coverage.summary(connection, until, asked)
