"""Puts the brief together: figures, coverage, sentences, drawings and page, and writes its files.

Here belongs the order of these alone: what each of them holds is its own module's matter.
"""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.brief import claims, coverage, figures
from orchestration.brief.charts import CHARTS
from orchestration.brief.context import context
from orchestration.brief.drawing import IMAGE_COLOURS, PAGE_COLOURS, Canvas
from orchestration.brief.measures import ALL, COVERAGE_HOURS
from orchestration.brief.method import method_page
from orchestration.brief.origins import origins
from orchestration.brief.page import page
from orchestration.brief.query import iso, latest_as_of
from orchestration.brief.rendering import blank, png, svgs
from orchestration.brief.sentences import warnings
from orchestration.brief.standing import standing
from orchestration.lake.files import write_text
from orchestration.lake.publish import read_only

if TYPE_CHECKING:
    import duckdb


def write_brief(warehouse: Path, folder: Path, *, written_at: datetime) -> dict:
    """See `orchestration.brief.write_brief`."""
    with read_only(warehouse.parent, warehouse.name) as connection:
        brief = _contents(connection, written_at)
        drawings = {}
        if brief["assets"]:
            as_of = datetime.fromisoformat(brief["as_of"])
            canvas = Canvas(as_of, brief["lead_asset"], brief["mark"], PAGE_COLOURS)
            drawings = {name: svgs(draw(connection, canvas), name, PAGE_COLOURS) for name, draw in CHARTS.items()}
    write_text(json.dumps(brief, indent=1, ensure_ascii=False, allow_nan=False), folder / "brief.json")
    write_text(page(brief, drawings), folder / "brief.html")
    write_text(method_page(), folder / "method.html")
    return brief


def chart_png(warehouse: Path, name: str) -> bytes:
    """See `orchestration.brief.chart_png`."""
    with read_only(warehouse.parent, warehouse.name) as connection:
        as_of = latest_as_of(connection)
        if as_of is None:
            return png(blank(), IMAGE_COLOURS)
        lead = _lead_asset(row["asset"] for row in figures.market_rows(connection, as_of))
        canvas = Canvas(as_of, lead, origins(connection).mark, IMAGE_COLOURS)
        return png(CHARTS[name](connection, canvas), IMAGE_COLOURS)


def _contents(connection: "duckdb.DuckDBPyConnection", written_at: datetime) -> dict:
    """All that the brief says, as `brief.json` holds it."""
    sources = origins(connection)
    as_of = latest_as_of(connection)
    until = as_of or written_at.replace(minute=0, second=0, microsecond=0)
    observed = coverage.observed(connection, until)
    known = figures.known_at(connection, until, observed)
    brief = {
        "title": "Market stress brief",
        "mark": sources.mark,
        "origins": sources.sentences,
        "as_of": as_of and iso(as_of),
        "written_at": iso(written_at),
        "lag_hours": as_of and round((written_at - as_of).total_seconds() / 3600, 2),
        "assets": list(known.rows),
        "lead_asset": _lead_asset(known.rows) if known.rows else None,
        "warnings": [],
        "figures": figures.figures(connection, known),
        "claims": claims.checked(connection),
        "context": context(connection, until),
        "coverage": {
            "start_at": iso(until - timedelta(hours=COVERAGE_HOURS)),
            "end_at": iso(until),
            "feeds": observed,
        },
        "standing": standing(connection, until),
    }
    return brief | {"warnings": warnings(brief)}


def _lead_asset(assets: Iterable[str]) -> str:
    """The asset that comes first: BTC, else the largest, else ALL."""
    names = [name for name in assets if name != ALL]
    return "BTC" if "BTC" in names else next(iter(names), ALL)
