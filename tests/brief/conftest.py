"""A small published warehouse made on the spot, and the brief of it: drawn once for all tests."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from orchestration import score
from orchestration.brief import write_brief
from orchestration.brief.query import stamp

AS_OF = datetime(2026, 2, 12, tzinfo=UTC)
WRITTEN_AT = AS_OF + timedelta(minutes=12)

WINDOWS = ("24h", "7d", "28d", "30d")
MARKET_HOURLY = f"""
create table market_hourly as
with hours as (
    select as_of, asset, size, row_number() over (partition by asset order by as_of) as n
    from range({{start}}, {{end}} + interval 1 hour, interval 1 hour) as spine(as_of)
    cross join (values ('ALL', 3.0), ('BTC', 1.5), ('ETH', 1.0), ('{{third}}', 0.5)) as assets(asset, size)
)
select as_of, asset, case when asset <> 'ALL' then 67450.0 * size end as price, -0.0137 as return_24h_ratio,
    -0.08 as return_7d_ratio,
    {", ".join(
        f"cast({{liquidations}} * size * {usd} as decimal(38, 6)) as {side}_usd_{window}"
        for window, amount in (("24h", 237e6), ("7d", 1.44e9), ("30d", 3e9))
        for side, usd in (("long", amount), ("short", amount / 3))
    )},
    cast({{liquidations}} * size * 41e6 * (1 + n % 900 / 900) as decimal(38, 6)) as worst_hour_usd_24h,
    {{observed}} as observed_ratio_24h, {{observed}} as observed_ratio_7d, {{observed}} as observed_ratio_30d,
    {{observed}} < 1 as is_lower_bound_24h, true as is_lower_bound_7d, true as is_lower_bound_30d,
    0.57 as full_reporting_ratio,
    cast({{open_interest}} * size * (40e9 - n * 4e6 + 2e9 * sin(n / 40)) as decimal(38, 6)) as open_interest_usd,
    {", ".join(f"{{open_interest}} * -0.044 as open_interest_change_{window}_ratio" for window in WINDOWS)},
    {", ".join(
        f"cast({{open_interest}} * size * -{usd} as decimal(38, 6)) as {effect}_effect_{window}_end_to_end_usd"
        for window, usd in (("24h", 1e9), ("28d", 9e9)) for effect in ("price", "position")
    )},
    size * 30e9 as open_interest_start_24h_usd, size * 30e9 as open_interest_start_28d_usd,
    {{open_interest}} * 0.2 as fall_from_peak_28d_ratio, {{open_interest}} * 0.3 as fall_from_peak_90d_ratio,
    {{open_interest}} * 0.42 as fall_from_peak_all_ratio,
    case when {{open_interest}} = 1 then timestamp '2025-12-06 04:00:00' end as peak_at,
    case when {{open_interest}} = 1 then ['gate:' || asset, 'binance:' || asset] end as panel,
    case when asset = 'ALL' then ['gate:BTC', 'gate:ETH'] else ['gate:' || asset] end as price_panel,
    case when asset = 'ALL' then 6 else 2 end as instruments
from hours
"""  # fmt: skip
MARKET_STRESS = f"""
create table market_stress as
select as_of, asset, {{score}} * 80.0 as score, coalesce({{score}} * 80.0, 0) as score_low,
    coalesce({{score}} * 80.0, 100) as score_high, case when {{score}} = 1 then 'stress' end as regime,
    {", ".join(f"{{score}} * 0.8 as {part}_rank" for part in score.PARTS)},
    {", ".join(f"{{score}} * 0.8 * {weight} as {part}_contribution" for part, (weight, _) in score.PARTS.items())},
    case when {{score}} = 1 then 'stress' else 'calm' end as regime_low,
    case when {{score}} = 1 then 'stress' else 'cascade' end as regime_high,
    case when as_of < {{gap}} then ['gate:BTC'] else ['gate:BTC', 'okx:BTC'] end as liquidations_panel,
    180 as warm_up_days, 60.0 as effective_days, 2 as independent_windows,
    case when asset <> 'ETH' then {{score}} * 60.0 end as second_line, {{score}} * 20.0 as second_line_gap,
    {", ".join(f"{{score}} * 10.0 as second_line_{part}_contribution" for part in score.PARTS)},
    case when asset = 'ETH' then 12.0 else 40.0 end as second_line_days,
    case when {{score}} is null then 'insufficient_history: {", ".join(score.PARTS)}' end as reason
from market_hourly
"""
DAILY = """
create table market_daily as
select day::date as period_start_date, asset,
    cast({open_interest} * size * 40e9 as decimal(38, 6)) as open_interest_usd,
    cast({open_interest} * -6e8 as decimal(38, 6)) as change_usd,
    cast({open_interest} * -4e8 as decimal(38, 6)) as price_effect_usd,
    cast({open_interest} * -2e8 as decimal(38, 6)) as position_effect_usd,
    cast({open_interest} * 0 as decimal(38, 6)) as listing_effect_usd,
    cast({open_interest} * 0 as decimal(38, 6)) as coverage_effect_usd
from range({start}, {end}, interval 1 day) as days(day)
cross join (values ('ALL', 3.0), ('BTC', 1.5)) as assets(asset, size);

create table liquidations_daily as
select day::date as period_start_date, exchange, asset,
    case when day <> {gap} and exchange = 'gate' then cast({liquidations} * 4e7 as decimal(38, 6)) end as long_usd,
    case when day <> {gap} and exchange = 'gate' then cast({liquidations} * 1e7 as decimal(38, 6)) end as short_usd,
    case when exchange = 'gate' and day <> {gap} and {liquidations} = 1 then 'sampled' else 'missing' end
        as completeness,
    case when exchange = 'gate' and day <> {gap} then {observed} else 0.0 end as observed_ratio
from range({start}, {end}, interval 1 day) as days(day)
cross join (values ('gate'), ('binance')) as exchanges(exchange)
cross join (values ('BTC'), ('ETH'), ('{third}')) as assets(asset);

create table coverage_daily as
with days as (
    select period_start_date, exchange, dataset, asset, {why} as reason,
        case when dataset <> 'liquidations' then 24 when exchange = 'binance' or period_start_date = {gap} then 0
            else cast(24 * {observed} as bigint) end as hours_observed
    from liquidations_daily
    cross join (values ('liquidations'), ('open_interest'), ('candles'), ('funding_rates')) as datasets(dataset)
)
select period_start_date, exchange, dataset, asset, hours_observed as hours_complete, 0 as hours_partial,
    case when exchange = 'gate' then 24 - hours_observed else 0 end as hours_failed, 0 as hours_unavailable,
    case when exchange = 'binance' then 24 - hours_observed else 0 end as hours_never_asked, hours_observed,
    24 as hours_expected, hours_observed / 24 as observed_ratio, reason,
    period_start_date + interval 1 day as counted_until_at,
    case when hours_observed = 24 then []
        when exchange = 'binance' then [{{'state': 'never asked', 'reason': 'import a recording', 'hours': 24}}]
        else [{{'state': 'failed', 'reason': reason, 'hours': 24 - hours_observed}}] end as gaps
from days;

create table stabilisation as
select {end} as as_of, 'BTC' as asset, level as support_level, level < 70000.0 as price_met,
    case when level < 70000.0 then true end as pace_met,
    case when level < 70000.0 then 'both' else 'unknown' end as state,
    case when level < 70000.0 then {gap} end as since, 10.0 as held_days, 67450.0 / level - 1 as distance_ratio,
    3 as closes_held, 0 as closes_unknown, 3.085e8 as pace_7d_usd, 2.344e8 as pace_7d_before_usd,
    case when level < 70000.0 then 1.471e8 end as pace_30d_usd, ['gate', 'okx'] as exchanges,
    case when level >= 70000.0 then {why} end as reason
from (values (75000.0), (65000.0)) as levels(level);
create table score_without as
select {end} as as_of, left_out, 'ALL' as asset, points as score, coalesce(points, 0.0) as score_low,
    coalesce(points, 100.0) as score_high, case when points is null then {why} end as reason
from (values ('gate', 78.5), ('okx', null)) as others(left_out, points);

create table instruments as select 'gate' as exchange, 'BTC/USDT:USDT' as symbol, 'BTC' as asset;
create table coverage as
select 'binance' as exchange, 'instruments' as dataset, 'XRP/USDT:USDT' as symbol, {start} as start_at,
    {start} + interval 1 day as end_at, 'rest' as feed, 'unavailable' as state, 'binance does not list it' as reason;
create table origins as
select 'candles' as dataset, 'gate' as exchange, {origin} as origin, 9 as rows, {start} as first_at, {end} as last_at;
"""
TERMS = {
    "start": stamp(AS_OF - timedelta(days=95)),
    "end": stamp(AS_OF),
    "gap": stamp(AS_OF - timedelta(days=10)),
    "third": "SOL",
    "liquidations": "1",
    "open_interest": "1",
    "observed": "0.96",
    "score": "1",
    "why": "'timeout'",
    "origin": "'live'",
}


@pytest.fixture(scope="session")
def as_of():
    """The latest hour of the warehouses."""
    return AS_OF


@pytest.fixture(scope="session")
def written_at():
    """When their briefs were written."""
    return WRITTEN_AT


@pytest.fixture(scope="session")
def made_warehouse():
    """A function (folder, **terms) -> path of a warehouse there; the terms replace those of TERMS."""

    def make(folder: Path, **terms: str) -> Path:
        path = folder / "warehouse.duckdb"
        with duckdb.connect(path) as connection:
            for script in (MARKET_HOURLY, MARKET_STRESS, DAILY):
                connection.execute(script.format(**(TERMS | terms)))
        return path

    return make


@pytest.fixture(scope="session")
def published(tmp_path_factory, made_warehouse):
    """The warehouse with all of its figures and one day of liquidations missing."""
    return made_warehouse(tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="session")
def brief(published):
    """The brief of `published`, also written to `latest` beside it."""
    return write_brief(published, published.parent / "latest", written_at=WRITTEN_AT)


@pytest.fixture(scope="session")
def page(published, brief):
    """The page of `published`."""
    return (published.parent / "latest" / "brief.html").read_text()


@pytest.fixture(scope="session")
def figure():
    """A function (brief, name, asset) -> that figure."""
    return lambda brief, name, asset: next(
        figure for figure in brief["figures"] if (figure["name"], figure["asset"]) == (name, asset)
    )


@pytest.fixture(scope="session")
def unknown(tmp_path_factory, made_warehouse):
    """A warehouse without any liquidation, open interest or score: (its path, its brief)."""
    from orchestration.brief.measures import EXTRA_COLUMNS

    folder = tmp_path_factory.mktemp("unknown")
    warehouse = made_warehouse(folder, liquidations="null", open_interest="null", observed="0.0", score="null")
    with duckdb.connect(warehouse) as connection:
        connection.execute("alter table market_stress drop column liquidations_panel")
        for table, columns in EXTRA_COLUMNS.items():  # a warehouse may do without
            for column in columns:
                connection.execute(f"alter table {table} drop column {column}")
    return warehouse, write_brief(warehouse, folder / "latest", written_at=WRITTEN_AT)


@pytest.fixture(scope="session")
def hostile(tmp_path_factory, made_warehouse):
    """A simulated warehouse whose names and reasons are HTML and SQL: (its path, its brief)."""
    folder = tmp_path_factory.mktemp("hostile")
    hostile = {"third": "<script>alert(''1'')</script>", "why": "'<img src=x onerror=alert(1)>'"}
    warehouse = made_warehouse(folder, **hostile, origin="'simulated:<b>tape</b>'")
    return warehouse, write_brief(warehouse, folder / "latest", written_at=WRITTEN_AT)


@pytest.fixture(scope="session")
def answers():
    """A function (warehouse, brief) -> (figure or feed, what `market-stress sql` answers to its query)."""

    def ask(warehouse: Path, brief: dict):
        with duckdb.connect(warehouse, read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            for told in [*brief["figures"], *brief["coverage"]["feeds"]]:
                answer = connection.execute(told["query"]).fetchone()[0]
                is_number = isinstance(told.get("value", 0.0), float | int) and answer is not None
                yield told, float(answer) if is_number else answer

    return ask
