"""What others have stated, and the verdict on each: `claim_checks` as the brief shows it.

Nothing is judged here, that is the matter of the package's `claims`.
"""

from typing import TYPE_CHECKING

from orchestration.brief.query import in_json, records
from orchestration.claims.verdicts import quantity
from orchestration.lake.files import table_names

if TYPE_CHECKING:
    import duckdb

RELATIONS = {"equals": "", "at_least": "at least ", "at_most": "at most ", "exceeds": "above ", "holds": "holds "}


def checked(connection: "duckdb.DuckDBPyConnection") -> list[dict]:
    """The rows of claim_checks, moments as ISO 8601; none where an earlier version published the warehouse."""
    if "claim_checks" not in table_names(connection):
        return []
    return [in_json(row) for row in records(connection, "select * from claim_checks order by claim")]


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
