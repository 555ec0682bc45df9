"""Asks the warehouse about claims and puts the rows of `claim_checks` together.

Here belongs the traffic alone: what is asked stands in `metrics`, what the answers are worth in `verdicts`.
"""

from collections.abc import Sequence
from datetime import UTC
from typing import TYPE_CHECKING

import pandas as pd

from orchestration.claims.metrics import METRICS
from orchestration.claims.stated import Claim
from orchestration.claims.verdicts import Answer, intervals, judged, settled
from orchestration.lake.files import table_names

if TYPE_CHECKING:
    import duckdb

EARLIER = "the warehouse was published by an earlier version: run `market-stress refresh`"
SCOPES = {
    "market_hourly": "select distinct asset from market_hourly order by asset",
    "holders_hourly": "select distinct holder from holders_hourly order by holder",
}


def check(warehouse: "duckdb.DuckDBPyConnection", claims: Sequence[Claim]) -> pd.DataFrame:
    """See `orchestration.claims.check`."""
    tables, by_id = table_names(warehouse), {claim.claim: claim for claim in claims}
    rows = []
    for claim in claims:
        answers = [_answer(warehouse, claim, scope, tables) for scope in claim.readings]
        partner = by_id.get(claim.pair) if claim.pair else None
        if partner and METRICS[partner.metric].unit != "ratio":
            partner = None
        verdict = settled([judged(claim, answer, partner) for answer in answers])
        rows.append(
            {
                "claim": claim.claim,
                "source": claim.source,
                "pair": claim.pair,
                "metric": claim.metric,
                "scope": claim.scope,
                "window": claim.window,
                "unit": claim.unit,
                "relation": claim.relation,
                "value": claim.value,
                "tolerance": claim.tolerance,
                "as_of": pd.Timestamp(claim.as_of.astimezone(UTC)).tz_localize(None),
                "verdict": verdict.verdict,
                "figure": verdict.answer.figure,
                "observed_ratio": verdict.answer.observed_ratio,
                "is_lower_bound": verdict.answer.is_lower_bound,
                "implied_as_of": pd.Timestamp(verdict.implied_as_of) if verdict.implied_as_of else pd.NaT,
                "query": verdict.answer.query,
                "reason": verdict.reason,
            }
        )
    numbers = ("value", "tolerance", "figure", "observed_ratio")
    moments = ("as_of", "implied_as_of")
    kinds = dict.fromkeys(numbers, "float64") | dict.fromkeys(moments, "datetime64[us]") | {"is_lower_bound": "boolean"}
    return pd.DataFrame(rows).astype(kinds)


def scopes(warehouse: "duckdb.DuckDBPyConnection") -> dict[str, list[str]]:
    """See `orchestration.claims.scopes`."""
    tables = table_names(warehouse)
    return {
        table: [name for (name,) in warehouse.execute(query).fetchall()]
        for table, query in SCOPES.items()
        if table in tables
    }


def published(warehouse: "duckdb.DuckDBPyConnection") -> pd.DataFrame:
    """See `orchestration.claims.published`."""
    if "claim_checks" not in table_names(warehouse):
        raise ValueError(EARLIER)
    return warehouse.execute("select * from claim_checks order by claim").df()


def _answer(warehouse: "duckdb.DuckDBPyConnection", claim: Claim, scope: str, tables: set[str]) -> Answer:
    import duckdb

    metric = METRICS[claim.metric]
    terms = (scope, claim.window, claim.unit, claim.as_of)
    query = metric.query(*terms)
    if metric.source.table not in tables:
        return Answer(scope, query, why=f"the warehouse has no table {metric.source.table}")
    try:
        answer = warehouse.execute(query)
        names, row = [column[0] for column in answer.description], answer.fetchone()
        if row is None:
            return Answer(scope, query, why=f"the warehouse has no row of {scope} at this hour")
        held = []
        if metric.source.is_level:
            held = intervals(warehouse.execute(metric.level_query(*terms)).fetchall(), claim)
    except duckdb.BinderException:
        raise ValueError(EARLIER) from None
    return Answer(scope, query, **dict(zip(names, row, strict=True)), held=held)
