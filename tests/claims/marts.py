"""A small warehouse to check claims against: BTC and ALL at a few hours, with holders and context where asked for."""

from datetime import UTC, datetime

from orchestration.lake.files import connect

AS_OF = datetime(2026, 2, 12, tzinfo=UTC)

MARKET_HOURLY = """
create table market_hourly as
with rows as (
    from (values
        ('BTC', timestamp '2026-02-10 22:00', 76000.0), ('BTC', timestamp '2026-02-10 23:00', 75000.0),
        ('BTC', timestamp '2026-02-11 00:00', 68387.0), ('BTC', timestamp '2026-02-12 00:00', 67450.0),
        ('ALL', timestamp '2026-02-11 00:00', null), ('ALL', timestamp '2026-02-12 00:00', null)
    ) as rows (asset, as_of, price)
)
select asset, as_of, price, -0.0137 as return_24h_ratio, if(asset = 'ALL', 3, 1) as size,
    cast(size * 237e6 as decimal(38, 6)) as long_usd_24h, cast(size * 100e6 as decimal(38, 6)) as short_usd_24h,
    cast(size * 1.5e9 as decimal(38, 6)) as long_usd_7d, cast(size * 0.66e9 as decimal(38, 6)) as short_usd_7d,
    1.0 as observed_ratio_24h, 0.9 as observed_ratio_7d, true as is_lower_bound_24h, true as is_lower_bound_7d,
    0.5 as full_reporting_ratio, size * 10e9 as open_interest_usd, 0.5 as open_interest_observed_ratio,
    false as open_interest_is_lower_bound, -0.044 as open_interest_change_24h_ratio,
    size * 10.46e9 as open_interest_start_24h_usd, size * -0.14e9 as price_effect_24h_end_to_end_usd,
    size * -0.32e9 as position_effect_24h_end_to_end_usd, 0.52 as fall_from_peak_all_ratio,
    timestamp '2025-10-07 07:00' as peak_at, ['gate:a', 'okx:a'] as panel, ['gate:a', 'okx:a'] as price_panel,
    2 as instruments
from rows
"""
LIQUIDATIONS_HOURLY = """
create table liquidations_hourly as
select timestamp '2026-02-11 00:00' + to_hours(cast(hour as integer)) as hour_at, exchange, 'BTC' as asset,
    cast(2e6 as decimal(38, 6)) as long_usd, cast(1e6 as decimal(38, 6)) as short_usd,
    cast(3e6 as decimal(38, 6)) as total_usd, exchange = 'okx' as is_lower_bound
from range(-5, 24) as hours (hour), unnest(['gate', 'okx']) as exchanges (exchange)
"""
# 60,000 coins bought at 90,000 USD: 0.9 B are lost at 75,000, 0.84 B at 76,000.
HOLDERS_HOURLY = """
create table holders_hourly as
select as_of, 'Strategy' as holder, 60000.0 as coins, 90000.0 as average_cost_usd,
    cast(60000 * (price - 90000) as decimal(38, 6)) as profit_usd, cast(null as varchar) as reason
from market_hourly where asset = 'BTC'
union all select timestamp '2026-02-12 00:00', 'Quiet', 1.0, null, null, 'no average cost is announced'
"""
CONTEXT_DAILY = """
create table context_daily as
from (values
    (date '2026-02-11', 'vix', 21.5, timestamp '2026-02-11 22:00', null),
    (date '2026-02-12', 'vix', 30.0, timestamp '2026-02-12 22:00', null),
    (date '2026-02-11', 'ciss_euro_area', 0.3, timestamp '2026-02-10 09:00', null),
    (date '2026-02-12', 'ciss_euro_area', null, null, 'older than 9 days'),
    (date '2026-02-05', 'fear_and_greed', 9.0, timestamp '2026-02-05 00:10', null)
) as rows (date, series, value, known_at, reason)
"""
ORIGINS = """
create table origins as select 'candles' as dataset, 'gate' as exchange, 'simulated:tape' as origin, 1 as rows,
    timestamp '2026-02-11' as first_at, timestamp '2026-02-12' as last_at
"""


def warehouse(path=":memory:", *more):
    """A connection to a warehouse of these tables; `more` are scripts that make others or change them."""
    connection = connect(path)
    for script in (MARKET_HOURLY, LIQUIDATIONS_HOURLY, ORIGINS, *more):
        connection.execute(script)
    return connection


def row(**changes) -> dict[str, str]:
    """A row of a file of claims: the longs of BTC, as claimed."""
    return {
        "claim": "a", "pair": "", "metric": "long_liquidations", "scope": "BTC", "window": "24h",
        "unit": "million_usd", "relation": "equals", "value": "about 237", "tolerance": "",
        "as_of": "2026-02-12T00:00:00Z", "source": "an article", **changes,
    }  # fmt: skip


def csv_file(path, *rows: dict[str, str]):
    """The file of these rows."""
    lines = [",".join(f'"{cell}"' for cell in one.values()) for one in rows]
    path.write_text("\n".join([",".join(rows[0]), *lines, ""]))
    return path
