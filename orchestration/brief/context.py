"""What the brief says of context: fear and greed, VIX, CISS and large holders, as known on the brief's day.

Which value a day has is decided in dbt (`context_daily`); here it is only asked for and named.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from orchestration.brief.query import iso, records, stamp
from orchestration.brief.words import NO_DATA, THIN, amount_text
from orchestration.lake.files import literal, table_names

if TYPE_CHECKING:
    import duckdb

LABELS = {"fear_and_greed": "Fear and greed", "vix": "VIX", "ciss_euro_area": "CISS, euro area"}
PUBLISHERS = {"alternative": "alternative.me", "fred": "FRED", "ecb": "ECB data portal"}
UNITS = {
    "points": "points of 100; 0 is extreme fear", "percent": "percent a year", "index": "0 to 1",
    "USD": "USD, unrealised",
}  # fmt: skip
SERIES = f"array_position({list(LABELS)}, series)"
HELD = "select holder, asset, coins, average_cost_usd from holders_hourly where as_of = {as_of}"


def context(connection: "duckdb.DuckDBPyConnection", as_of: datetime) -> list[dict]:
    """{series, label, value, text, unit, date, observed_date, known_at, source, reason, table, query} of every series.

    `query` gives `value` again. Empty where the warehouse has no context, as one of an earlier version.
    """
    if "context_daily" not in table_names(connection):
        return []
    day = f"date '{as_of:%Y-%m-%d}'"
    held = {f"holder:{row['holder']}": row for row in records(connection, HELD.format(as_of=stamp(as_of)))}
    rows = records(connection, f"select * from context_daily where date = {day} order by {SERIES} nulls last, series")
    return [_told(row, held.get(row["series"]), day) for row in rows]


def _told(row: dict, held: dict | None, day: str) -> dict:
    label = LABELS.get(row["series"], row["series"].removeprefix("holder:"))
    if held:
        label += f", {held['coins']:,.0f} {held['asset']} at {held['average_cost_usd']:,.0f} USD"
    return {
        "series": row["series"],
        "label": label,
        "value": row["value"],
        "text": _text(row["value"], row["unit"]),
        "unit": UNITS.get(row["unit"], row["unit"]),
        "date": f"{row['date']:%Y-%m-%d}",
        "observed_date": row["observed_date"] and f"{row['observed_date']:%Y-%m-%d}",
        "known_at": row["known_at"] and iso(row["known_at"].replace(tzinfo=UTC)),
        "source": PUBLISHERS.get(row["source"], row["source"]),
        "reason": row["reason"],
        "table": "context_daily",
        "query": f"select value from context_daily where series = {literal(row['series'])} and date = {day}",
    }


def _text(value: float | None, unit: str) -> str:
    match unit:
        case _ if value is None:
            return NO_DATA
        case "USD":
            return f"{amount_text(value, is_signed=True)}{THIN}USD"
        case "percent":
            return f"{value:.2f}{THIN}%"
        case "index":
            return f"{value:.4f}"
    return f"{value:.0f}"
