"""How the brief asks the warehouse: values as SQL, answers as Python and JSON have them.

Which questions there are is the matter of `measures`, `coverage` and `charts`.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from orchestration.lake.files import only_row

if TYPE_CHECKING:
    import duckdb


def records(connection: "duckdb.DuckDBPyConnection", query: str) -> list[dict]:
    """The rows of a query by column name, as `plain` values."""
    answer = connection.execute(query)
    names = [column[0] for column in answer.description]
    return [dict(zip(names, map(plain, row), strict=True)) for row in answer.fetchall()]


def in_json(row: dict) -> dict:
    """A row as JSON has it: its moments, which are UTC without saying so, as ISO 8601."""
    return {name: iso(its.replace(tzinfo=UTC)) if isinstance(its, datetime) else its for name, its in row.items()}


def plain(value: Any) -> Any:
    """A value as JSON has it: Decimal as number, NaN as None."""
    if isinstance(value, Decimal):
        return float(value)
    return None if isinstance(value, float) and value != value else value


def stamp(moment: datetime) -> str:
    """A moment as an SQL timestamp in UTC."""
    return f"timestamp '{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}'"


def iso(moment: datetime) -> str:
    """A moment as ISO 8601 in UTC: 2026-02-12T00:00:00Z."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def latest_as_of(connection: "duckdb.DuckDBPyConnection") -> datetime | None:
    """The latest hour of `market_hourly`, aware; None where it holds none."""
    (latest,) = only_row(connection.execute("select max(as_of) from market_hourly"))
    return latest and latest.replace(tzinfo=UTC)
