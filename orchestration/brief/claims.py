"""What others have stated, and the verdict on each: `claim_checks` as the brief shows it.

Nothing is judged here, that is the matter of the package's `claims`.
"""

from datetime import UTC
from typing import TYPE_CHECKING

from orchestration.brief.query import iso, records
from orchestration.claims.verdicts import quantity

if TYPE_CHECKING:
    import duckdb

RELATIONS = {"equals": "", "at_least": "at least ", "at_most": "at most ", "exceeds": "above ", "holds": "holds "}


def checked(connection: "duckdb.DuckDBPyConnection") -> list[dict]:
    """The rows of claim_checks, moments as ISO 8601; none where an earlier version published the warehouse."""
    if not records(connection, "select 1 as is_there from duckdb_tables() where table_name = 'claim_checks'"):
        return []
    rows = records(connection, "select * from claim_checks order by claim")
    moments = ("as_of", "implied_as_of")
    return [row | {name: row[name] and iso(row[name].replace(tzinfo=UTC)) for name in moments} for row in rows]


def amount(value: float, unit: str) -> str:
    """A figure of a claim with its unit, in its own digits."""
    return quantity(value, unit).replace("-", "\u2212")


def claimed(row: dict) -> str:
    """What is claimed: `BTC liquidations, 7 d`."""
    words = row["metric"].replace("_", " ").removesuffix(" usd")
    scope = "" if row["scope"] in ("unstated", row["metric"]) else f"{row['scope']} "
    window = {"now": "", "all": ", of all that is known"}.get(
        row["window"], f", {row['window'][:-1]} {row['window'][-1]}"
    )
    return f"{scope}{words}{window}"
