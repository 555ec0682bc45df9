"""Tables that the brief shows as they stand in the warehouse at its hour: stabilisation, and what the score rests on.

Here belong their queries and how a row reads. Figures that every asset has are the matter of `measures`.
"""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from orchestration.brief.measures import ALL
from orchestration.brief.query import in_json, records, stamp
from orchestration.brief.words import NO_DATA, THIN, amount_text, moment_text, price_text, signed_text, unbroken
from orchestration.lake.files import table_names

if TYPE_CHECKING:
    import duckdb

FLAGS = {True: "met", False: "not met", None: "unknown"}


def standing(connection: "duckdb.DuckDBPyConnection", as_of: datetime) -> dict[str, dict]:
    """{table: {query, rows}} at an hour, rows as in the warehouse; what an older warehouse lacks is left out."""
    queries = {
        "stabilisation": f"select * from stabilisation where as_of = {stamp(as_of)} order by asset, support_level desc",
        "score_without": f"select * from score_without where as_of = {stamp(as_of)} and asset = '{ALL}' "
        "order by left_out",
    }
    there = table_names(connection)
    return {
        table: {"query": query, "rows": [in_json(row) for row in records(connection, query)]}
        for table, query in queries.items()
        if table in there
    }


def stabilisation_table(rows: list[dict]) -> dict:
    """{labels, rows, notes} as the page shows it."""
    labels = [
        "asset", "level, USD", "price from it", "daily closes held", "price half", "7 d, USD a day",
        "the same earlier", "30 d, USD a day", "pace half", "state", "since",
    ]  # fmt: skip
    cells = [
        [
            row["asset"],
            price_text(row["support_level"]),
            _shown(row["distance_ratio"], lambda ratio: f"{signed_text(100 * ratio, 1, True)}{THIN}%"),
            f"{row['closes_held']}" + (f", {row['closes_unknown']} unknown" if row["closes_unknown"] else ""),
            FLAGS[row["price_met"]],
            *(_shown(row[f"pace_{name}_usd"], amount_text) for name in ("7d", "7d_before", "30d")),
            FLAGS[row["pace_met"]],
            row["state"],
            _shown(row["since"], moment_text),
        ]
        for row in rows
    ]
    notes = [f"{row['asset']} {price_text(row['support_level'])}: {row['reason']}" for row in rows if row["reason"]]
    paces = {", ".join(row["exchanges"]) or "no exchange" for row in rows}
    notes += [f"paces are what {' or '.join(sorted(paces))} reported, a lower bound of throttled feeds"] if rows else []
    return {"labels": [unbroken(label) for label in labels], "rows": cells, "notes": notes}


def without_table(rows: list[dict], score: object) -> dict:
    """{labels, rows, notes} as the page shows it; `score` is that of all, or None."""
    cells = []
    for row in rows:
        points = [_shown(row[name], lambda value: f"{value:.2f}") for name in ("score", "score_low", "score_high")]
        is_known = isinstance(score, float) and row["score"] is not None
        change = signed_text(row["score"] - score, 2, True) if is_known else NO_DATA
        cells.append([row["left_out"], *points, change])
    notes = [f"without {row['left_out']}: {row['reason']}" for row in rows if row["reason"]]
    return {"labels": ["without", "score", "at least", "at most", "change"], "rows": cells, "notes": notes}


def _shown(value: Any, words: Callable[[Any], str]) -> str:
    return NO_DATA if value is None else words(value)
