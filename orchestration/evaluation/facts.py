"""What the card is made of, read once: the home's build and published warehouse, and of the raw facts their revisions.

Here belongs reading, and putting first revisions in the place of later ones. Which of it counts is `panel`'s matter.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from orchestration.contracts import contract
from orchestration.lake.facts import raw_glob
from orchestration.lake.files import connect, literal, only_row, pattern
from orchestration.lake.publish import read_only

if TYPE_CHECKING:
    import duckdb

HOUR = pd.Timedelta(hours=1)
DATASETS = ("liquidations", "liquidation_totals", "open_interest", "candles", "funding_rates")
BACKFILLED_AFTER_HOURS = 24
HELD_HOURS = 2  # so long an observation of open interest counts
KEYS = ["as_of", "instrument"]
BARS = """
select as_of, asset, exchange || ':' || symbol as instrument, low, close from intermediate.int_prices_hourly
"""


@dataclass(frozen=True)
class Facts:
    """Frames by as_of (UTC without zone), first revisions where the lake still has them.

    `instruments` is `int_stress_instruments_hourly`; `bars` as_of, asset, instrument, low, close of the bar that ended
    then; `kept` as_of, instrument and the share of longs that one event a symbol and second keeps; `origins` the table;
    `published` as_of, asset, score, warm_up_days of `market_stress`; `fear_and_greed` known_at, value;
    `stabilisation` as_of, asset, support_level, price_met, pace_met of the table; `revisions` of every
    dataset {dataset, rows, revised, first_revision_kept, backfilled}.
    """

    instruments: pd.DataFrame
    bars: pd.DataFrame
    kept: pd.DataFrame
    origins: pd.DataFrame
    published: pd.DataFrame
    fear_and_greed: pd.DataFrame
    stabilisation: pd.DataFrame
    revisions: list[dict]


def read(home: Path) -> Facts:
    """Reads a home; FileNotFoundError without a published warehouse, ValueError where its parts don't belong together.

    A row that was revised counts with its first revision if `raw/superseded` still holds it. A row that was fetched or
    imported later counts as if it had been known at its hour.
    """
    import duckdb

    try:
        with read_only(home) as warehouse, read_only(home, "build.duckdb") as build:
            _check(home, warehouse, build)
            instruments = build.execute("from intermediate.int_stress_instruments_hourly").df()
            bars = build.execute(BARS).df()
            origins = warehouse.execute("from origins where dataset not in ('instruments', 'coverage')").df()
            published = warehouse.execute("select as_of, asset, score, warm_up_days from market_stress").df()
            fear_and_greed = _fear_and_greed(warehouse)
            stabilisation = warehouse.execute(
                "select as_of, asset, support_level, price_met, pace_met from stabilisation"
            ).df()
    except (duckdb.CatalogException, duckdb.BinderException):
        raise ValueError(f"{home} was published by an earlier version: run `market-stress refresh`") from None
    if instruments.empty or bars.empty:
        raise ValueError(f"{home} holds no hour with a price: run `market-stress backfill` and `market-stress refresh`")
    lake = connect()
    _views(lake, home)
    instruments = _first_liquidations(_first_open_interest(_first_funding(instruments, lake), lake), lake)
    return Facts(
        instruments=instruments,
        bars=_first_bars(bars, lake),
        kept=lake.execute(KEPT).df(),
        origins=origins,
        published=published,
        fear_and_greed=fear_and_greed,
        stabilisation=stabilisation,
        revisions=_revisions(lake),
    )


def _check(home: Path, warehouse: "duckdb.DuckDBPyConnection", build: "duckdb.DuckDBPyConnection") -> None:
    """The build has to be the one that was published, and the lake no newer where it was revised."""
    query = "select invocation_id from dbt_invocation"
    if only_row(warehouse.execute(query)) != only_row(build.execute(query)):
        raise ValueError(f"{home}: build.duckdb is not what was published: run `market-stress refresh`")
    built_at = (home / "build.duckdb").stat().st_mtime
    if any(
        file.stat().st_mtime > built_at for file in (home / "raw" / "superseded").rglob("*.parquet") if file.is_file()
    ):
        raise ValueError(f"{home}: raw facts were revised since the last refresh: run `market-stress refresh`")


def _fear_and_greed(warehouse: "duckdb.DuckDBPyConnection") -> pd.DataFrame:
    """known_at and value in order of time; no row where the home has none."""
    return warehouse.execute(
        "select known_at, cast(value as double) as value from context_daily "
        "where series = 'fear_and_greed' and value is not null and known_at is not null order by known_at"
    ).df()


def _views(lake: "duckdb.DuckDBPyConnection", home: Path) -> None:
    """Of every dataset a view of its current rows, and one `first_<dataset>` of the first revisions it replaced."""
    for dataset in DATASETS:
        current = raw_glob(home, dataset)
        lake.execute(f"create view {dataset} as select *, exchange || ':' || symbol as instrument from {current}")
        files = [file for file in (home / "raw" / "superseded" / dataset).rglob("*.parquet") if file.is_file()]
        key = ", ".join(contract(dataset).key)
        replaced = f"select * from {dataset} where false"
        if files:
            paths = ", ".join(literal(pattern(file)) for file in sorted(files))
            replaced = (
                "select * exclude (superseded_at), exchange || ':' || symbol as instrument "
                f"from read_parquet([{paths}], hive_partitioning = false) "
                f"where revision = 0 and ({key}) in (select ({key}) from {dataset} where revision > 0) "
                f"qualify row_number() over (partition by {key} order by superseded_at) = 1"
            )
        differs = " or ".join(f"old.{name} is distinct from new.{name}" for name in contract(dataset).measures)
        lake.execute(f"create table replaced_{dataset} as {replaced}")
        lake.execute(
            f"create table first_{dataset} as select old.* from replaced_{dataset} as old "
            f"join (from {dataset} where revision > 0) as new using ({key}) where {differs}"
        )
        lake.execute(
            f"create table later_{dataset} as from {dataset} where ({key}) in (select ({key}) from first_{dataset})"
        )


def _revisions(lake: "duckdb.DuckDBPyConnection") -> list[dict]:
    """An event that only became another feed's was not revised."""
    rows = []
    for dataset in DATASETS:
        first = f"(select count(*) from first_{dataset})"
        late = f"ingested_at > {contract(dataset).time} + interval {BACKFILLED_AFTER_HOURS} hour"
        counted = lake.execute(
            f"select count(*), count(*) filter (revision > 0) - (select count(*) from replaced_{dataset}) + {first}, "
            f"{first}, count(*) filter ({late}) from {dataset}"
        )
        names = ("rows", "revised", "first_revision_kept", "backfilled")
        rows.append({"dataset": dataset} | dict(zip(names, only_row(counted), strict=True)))
    return rows


# Of a symbol's events of a second, longs and shorts alike, the largest is kept. By feed, since an event that two of
# them bring is one event; the share is the same whichever of them counts.
KEPT = """
with events as (
    select instrument, position_side, notional_usd,
        date_trunc('hour', occurred_at::timestamp) + interval 1 hour as as_of,
        row_number() over (
            partition by instrument, feed, date_trunc('second', occurred_at) order by notional_usd desc, event_id
        ) as place
    from liquidations
)
select as_of, instrument,
    coalesce(sum(notional_usd) filter (place = 1), 0) / sum(notional_usd) as kept_ratio
from events where position_side = 'long' group by all having sum(notional_usd) > 0 order by all
"""
MOVED_USD = """
select as_of, instrument, sum(usd) as moved_usd from (
    select instrument, date_trunc('hour', occurred_at::timestamp) + interval 1 hour as as_of, notional_usd as usd
    from first_liquidations where position_side = 'long'
    union all
    select instrument, date_trunc('hour', occurred_at::timestamp) + interval 1 hour, -notional_usd
    from later_liquidations where position_side = 'long'
) group by all
"""
FIRST_TOTALS = """
select period_start_at::timestamp + interval 1 hour as as_of, instrument, long_usd as first_usd
from first_liquidation_totals where period_hours = 1
"""
FIRST_OPEN_INTEREST = """
select current.observed_at::timestamp as as_of, current.instrument,
    coalesce(
        coalesce(first.open_interest_base, first.open_interest_contracts)
        / nullif(coalesce(current.open_interest_base, current.open_interest_contracts), 0),
        first.open_interest_usd / nullif(current.open_interest_usd, 0), 1
    ) as factor
from open_interest as current left join first_open_interest as first using (exchange, symbol, observed_at)
where current.instrument in (select instrument from first_open_interest)
"""
FIRST_FUNDING = """
select *, lead(settled_at) over (partition by instrument order by settled_at) as until_at
from (
    select current.instrument, first.rate as first_rate, current.rate,
        date_trunc('hour', current.funded_at::timestamp + interval 30 minute) as settled_at
    from funding_rates as current left join first_funding_rates as first using (exchange, symbol, funded_at)
)
qualify first_rate is not null
"""


def _first_liquidations(instruments: pd.DataFrame, lake: "duckdb.DuckDBPyConnection") -> pd.DataFrame:
    """Longs of hours whose events or totals were revised; which of the two an hour rests on, its nature says."""
    frame = instruments.merge(lake.execute(MOVED_USD).df(), on=KEYS, how="left")
    frame = frame.merge(lake.execute(FIRST_TOTALS).df(), on=KEYS, how="left")
    is_totals = (frame["completeness"] == "totals") & frame["first_usd"].notna()
    of_events = frame["long_usd"] + frame["moved_usd"].fillna(0).where(frame["completeness"] != "totals", 0)
    long_usd = of_events.clip(lower=0).where(~is_totals, frame["first_usd"])
    return frame.assign(long_usd=long_usd).drop(columns=["moved_usd", "first_usd"])


def _first_open_interest(instruments: pd.DataFrame, lake: "duckdb.DuckDBPyConnection") -> pd.DataFrame:
    """Open interest and what was closed, where a quantity was revised: each is of positions now, 24 h and 28 d ago.

    A revision is taken as one of the quantity at the price that stands.
    """
    observed = lake.execute(FIRST_OPEN_INTEREST).df()
    if observed.empty:
        return instruments
    hours = pd.date_range(instruments["as_of"].min(), instruments["as_of"].max(), freq="h")
    grid = observed.pivot_table(index="as_of", columns="instrument", values="factor")
    grid = grid.reindex(hours).ffill(limit=HELD_HOURS).fillna(1.0)
    frame = instruments.sort_values(KEYS, ignore_index=True)

    def ago(hours_ago: int) -> np.ndarray:
        at = hours.get_indexer(frame["as_of"] - hours_ago * HOUR), grid.columns.get_indexer(frame["instrument"])
        return np.where((at[0] >= 0) & (at[1] >= 0), grid.to_numpy()[at], 1.0)

    now, day, month = ago(0), ago(24), ago(28 * 24)
    usd = frame["open_interest_usd"]
    of_day = (frame["closed_24h_usd"] + usd) * day
    of_month = frame["start_28d_usd"] * month
    return frame.assign(
        open_interest_usd=usd * now,
        open_interest_24h_ago_usd=frame["open_interest_24h_ago_usd"] * day,
        closed_24h_usd=of_day - usd * now,
        closed_28d_usd=of_month - usd * now,
        start_28d_usd=of_month,
    )


def _first_funding(instruments: pd.DataFrame, lake: "duckdb.DuckDBPyConnection") -> pd.DataFrame:
    """Rates in force between a settlement that was revised and the next one."""
    rate = instruments["funding_rate_annualised"].copy()
    for row in lake.execute(FIRST_FUNDING).df().itertuples():
        is_in_force = (instruments["instrument"] == row.instrument) & (instruments["as_of"] >= row.settled_at)
        if not pd.isna(row.until_at):
            is_in_force &= instruments["as_of"] < row.until_at
        # Of a rate of zero nothing can be scaled, and its interval isn't told here: it stays.
        rate[is_in_force] *= row.first_rate / row.rate if row.rate else 1.0
    return instruments.assign(funding_rate_annualised=rate)


def _first_bars(bars: pd.DataFrame, lake: "duckdb.DuckDBPyConnection") -> pd.DataFrame:
    first = lake.execute(
        "select opened_at::timestamp + interval 1 hour as as_of, instrument, low as first_low, close as first_close "
        "from first_candles"
    ).df()
    frame = bars.merge(first, on=KEYS, how="left").sort_values(KEYS, ignore_index=True)
    low, close = frame["first_low"].fillna(frame["low"]), frame["first_close"].fillna(frame["close"])
    return frame.assign(low=low, close=close).drop(columns=["first_low", "first_close"])
