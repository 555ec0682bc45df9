"""Claims: figures that others have stated, each compared with the warehouse and given a verdict.

Here stands what others call; importing it loads nothing heavy. The rooms, in the order in which a claim walks through
them:

- `stated`    a claim as a row of a CSV file states it: read, or refused by line and column
- `metrics`   what can be claimed, and how each is asked of the marts
- `verdicts`  a claim and our figure in, verdict and reason out
- `checking`  asks the warehouse and puts the rows of `claim_checks` together
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

    from orchestration.claims.stated import Claim


def read(path: Path, scopes: Mapping[str, Sequence[str]] | None = None) -> "list[Claim]":
    """The claims of a CSV file; `scopes` are those that may be named, see `scopes`; None lets any pass.

    Raises FileNotFoundError, and ValueError with one line that names the line and the column of the first fault.
    """
    from orchestration.claims import stated

    return stated.read(path, scopes)


def seeded(build: "duckdb.DuckDBPyConnection") -> "list[Claim]":
    """The claims of the seed, from the build. Raises ValueError like `read`."""
    from orchestration.claims import stated

    return stated.seeded(build)


def scopes(warehouse: "duckdb.DuckDBPyConnection") -> dict[str, list[str]]:
    """What a claim may be about, by table: assets with ALL, and large holders; of tables that are there."""
    from orchestration.claims import checking

    return checking.scopes(warehouse)


def check(warehouse: "duckdb.DuckDBPyConnection", claims: "Sequence[Claim]") -> "pd.DataFrame":
    """The rows of `claim_checks` (data_contracts/claim_checks.yml) for these claims, in their order.

    `warehouse` holds the marts: the build, or what is published. Value, tolerance and figure are in the claim's unit;
    `query` gives the figure again. Raises ValueError with the way out if an earlier version made the warehouse.
    """
    from orchestration.claims import checking

    return checking.check(warehouse, claims)


def published(warehouse: "duckdb.DuckDBPyConnection") -> "pd.DataFrame":
    """The rows of `claim_checks` as published; ValueError if an earlier version published the warehouse."""
    from orchestration.claims import checking

    return checking.published(warehouse)
