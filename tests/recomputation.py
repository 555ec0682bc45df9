"""The marts once more, straight from a tape: each definition of docs/method.md in as few words of SQL as it has.

Nothing here reads the warehouse, its models or their code. It holds for tapes on which every exchange has one linear
contract per asset that doesn't end, one source of liquidations whose nature doesn't change, open interest on full hours
that nothing refuses, and funding only where there is open interest to weigh it by.
"""

from pathlib import Path

import duckdb

NATURES = {"binance": "sampled", "bybit": "complete", "okx": "sampled", "gate": "totals"}  # docs/exchanges.md
WINDOWS = {"24h": 24, "7d": 168, "28d": 672, "30d": 720}
DATASETS = {  # and the columns of those that a tape may lack
    "instruments": None,
    "candles": None,
    "open_interest": None,
    "liquidation_totals": None,
    "liquidations": "exchange text, asset text, occurred_at timestamptz, position_side text, notional_usd double",
    "coverage": "exchange text, asset text, dataset text, state text, start_at timestamptz, end_at timestamptz",
    "funding_rates": "exchange text, asset text, funded_at timestamptz, rate double",
}

# Stamps, the hours [hour_at, hour_at + 1 h) between them, days, ISO weeks and months, of an open one what has passed.
SPINE = """
create table stamps as
select exchange, asset, unnest(generate_series(first_at, now_at, interval 1 hour)) as stamp from watched, span;
create table hours as select exchange, asset, stamp as hour_at from stamps, span where stamp < now_at;
create table members as select exchange, asset, unnest([asset, 'ALL']) as market from watched;

create table periods as
select distinct grain, date_trunc(grain, hour_at)::date as period_start_date, date_trunc(grain, hour_at) as start_at,
    start_at + ('1 ' || grain)::interval <= now_at as is_over,
    least(start_at + ('1 ' || grain)::interval, now_at) as end_at,
    date_diff('hour', start_at, end_at) as passed_hours
from hours, span, (values ('day'), ('week'), ('month')) as grains (grain);
"""

# An hour of events is observed where a receipt covers it, one of totals where its row is there. A receipt is a zero to
# which events add. A period adds its hours and is as good as the worst; those before the first day were not observed.
LIQUIDATIONS = """
create table liquidations_hourly as
with known as (
    select exchange, asset, hour_at, true as is_receipt, 0 as long, 0 as short, 0 as event, null as value
    from hours join coverage using (exchange, asset) where dataset = 'liquidations' and state = 'complete'
        and hour_at >= start_at::timestamp and hour_at < end_at::timestamp
    union all select exchange, asset, date_trunc('hour', occurred_at::timestamp), false,
        if(position_side = 'long', notional_usd, null), if(position_side = 'short', notional_usd, null), 1, notional_usd
    from liquidations
    union all select exchange, asset, period_start_at::timestamp, true, long_usd, short_usd, null, null
    from liquidation_totals
)
select exchange, asset, hour_at, coalesce(bool_or(is_receipt), false) as is_observed,
    is_observed::int as observed_instruments, 1 as instruments, sum(long::decimal(38, 6)) as long_usd,
    sum(short::decimal(38, 6)) as short_usd, coalesce(long_usd + short_usd, long_usd, short_usd) as total_usd,
    sum(event)::bigint as events, max(value::decimal(38, 6)) as largest_usd,
    if(bool_or(is_receipt) is null, 'missing', nature)::nature as completeness,
    not is_observed or completeness in ('sampled', 'missing') as is_lower_bound
from hours join natures using (exchange) left join known using (exchange, asset, hour_at)
group by exchange, asset, hour_at, nature;

create table liquidations_periods as
select grain, period_start_date, exchange, asset, sum(long_usd) as long_usd, sum(short_usd) as short_usd,
    sum(total_usd) as total_usd, sum(events)::bigint as events, max(largest_usd) as largest_usd,
    max(total_usd) as worst_hour_usd, 1 as instruments, count(*) filter (is_observed) as observed_hours,
    passed_hours as expected_hours, observed_hours / expected_hours as observed_ratio,
    is_over and observed_hours = expected_hours as is_complete,
    if(count(*) < expected_hours, 'missing', max(completeness))::nature as completeness,
    bool_or(is_lower_bound) or observed_hours < expected_hours as is_lower_bound
from liquidations_hourly join periods on hour_at >= start_at and hour_at < end_at
group by grain, period_start_date, exchange, asset, passed_hours, is_over;
"""

# Closes and open interest at every stamp, the latter no older than two hours. USD are the exchange's own, else coins
# times the close of the bar that ended at the observation. p is what a coin was counted at.
STOCKS = """
create table closes as select exchange, asset, opened_at::timestamp + interval 1 hour as stamp, close from candles;

create table observations as
with counted as (
    select exchange, asset, observed_at::timestamp as stamp, open_interest_usd, contract_size::double as size,
        round(open_interest_base / size, 6) as contracts,  -- of which Gate tells whole ones
        if(exchange = 'gate', round_even(contracts, 0) * size, open_interest_base) as coins
    from open_interest join instruments using (exchange, asset)
)
select exchange, asset, stamp, coins::decimal(38, 12) as base,
    coalesce(open_interest_usd, coins * close)::decimal(38, 6) as usd
from counted left join closes using (exchange, asset, stamp);

create table stocks as
with seen as (
    select stamps.*, last.stamp as seen_at, last.stamp >= stamps.stamp - interval 2 hour as is_held, usd, base
    from stamps asof left join observations as last
        on last.exchange = stamps.exchange and last.asset = stamps.asset and last.stamp <= stamps.stamp
),
held as (
    select exchange, asset, stamp, if(is_held, seen_at, null) as observed_at, if(is_held, usd, null) as usd,
        if(is_held, base, null) as base
    from seen
)
select *, usd::double / base::double as p, observed_at > stamp - interval 1 hour as is_fresh,
    last_value(usd ignore nulls) over (partition by exchange, asset order by stamp) as last_usd
from held;
"""

# A period opens and closes with the stocks at its ends; high and low are over these and every observation from end to
# end, the mean over the latter. A day's change is split per contract; effects of longer periods are sums of days, and
# coverage what these leave unexplained.
OPEN_INTEREST = """
create table days as
select start_at, end_at, exchange, asset, opened.usd + closed.usd is null as lacks_an_end,
    coalesce(closed.usd - opened.usd, closed.usd, -opened.usd) as moved_usd,
    coalesce(round(opened.base::double * (closed.p - opened.p), 6)::decimal(38, 6), moved_usd * 0) as price_effect_usd,
    moved_usd * lacks_an_end::int as coverage_effect_usd,
    moved_usd - price_effect_usd - coverage_effect_usd as position_effect_usd
from stocks as opened join stocks as closed using (exchange, asset)
join periods on start_at = opened.stamp and end_at = closed.stamp where grain = 'day';

create table effects as
select grain, period_start_date, exchange, asset, sum(moved_usd) as moved_usd,
    sum(price_effect_usd) as price_effect_usd, sum(position_effect_usd) as position_effect_usd,
    sum(coverage_effect_usd) as coverage_effect_usd, bool_or(lacks_an_end) as lacks_an_end
from periods join days on days.start_at >= periods.start_at and days.end_at <= periods.end_at group by all;

create table open_interest_periods as
with held as (
    select grain, period_start_date, exchange, asset, passed_hours, is_over,
        count(usd) filter (is_fresh and stamp < end_at) as observed_hours,
        count(usd) filter (not is_fresh and stamp < end_at) as carried_hours,
        any_value(usd) filter (stamp = start_at) as open_usd, any_value(base) filter (stamp = start_at) as open_base,
        any_value(usd) filter (stamp = end_at) as close_usd, any_value(base) filter (stamp = end_at) as close_base
    from stocks join periods on stamp between start_at and end_at group by all
),
ranges as (
    select grain, period_start_date, exchange, asset, max(usd) as high_usd, min(usd) as low_usd,
        sum(usd)::double / count(usd) as mean_usd, max(base) as high_base, min(base) as low_base,
        sum(base)::double / count(base) as mean_base, count(usd) as observations, count(base) as observations_base,
        bool_or(stamp = start_at) as is_open_observed, count(usd) < count(*) as lacks_a_value
    from observations join periods on stamp between start_at and end_at group by all
)
select held.* exclude (passed_hours, is_over), mean_usd, mean_base, greatest(high_usd, open_usd, close_usd) as high_usd,
    greatest(high_base, open_base, close_base) as high_base, least(low_usd, open_usd, close_usd) as low_usd,
    least(low_base, open_base, close_base) as low_base,
    coalesce(observations, 0) as observations, coalesce(observations_base, 0) as observations_base,
    coalesce(is_open_observed, false) as is_open_observed, 1 as instruments, passed_hours as expected_hours,
    observed_hours / passed_hours as observed_ratio,
    is_over and open_usd + close_usd is not null and observed_hours = passed_hours as is_complete,
    lacks_an_end or coalesce(lacks_a_value, false) as is_lower_bound, close_usd - open_usd as change_usd,
    change_usd * 0 + effects.price_effect_usd as price_effect_usd, change_usd * 0 as listing_effect_usd,
    change_usd * 0 + effects.position_effect_usd as position_effect_usd,
    change_usd - effects.price_effect_usd - effects.position_effect_usd as coverage_effect_usd
from held join effects using (grain, period_start_date, exchange, asset)
left join ranges using (grain, period_start_date, exchange, asset);
"""

# Return between two stamps: the median of each contract's own, ALL's that of its assets weighted by open interest at
# the first. An hour's return is in logarithms.
RETURNS = """
create table weights as select asset, stamp as start_at, sum(usd)::double as usd from stocks group by all;

create table returns as
with spans as (
    select start_at, end_at from periods
    union select stamp - to_hours(hours), stamp from stamps, (values (1), (24), (168)) as windows (hours)
),
own as (
    select asset, start_at, end_at, median(closed.close / opened.close - 1) as ratio,
        median(ln(closed.close / opened.close)) as log_ratio
    from closes as opened join closes as closed using (exchange, asset)
    join spans on start_at = opened.stamp and end_at = closed.stamp group by all
)
select asset as market, start_at, end_at, ratio, log_ratio from own
union all select 'ALL', start_at, end_at, sum(ratio * usd) / sum(usd), ln(sum(exp(log_ratio) * usd) / sum(usd))
from own join weights using (asset, start_at) where usd is not null group by all;
"""

# In force at a stamp is the last rate settled by then (binance's come milliseconds late), until an hour after the next
# is due: in eight hours, or in its interval if that is longer. This is the gap to the one before, if no settlement is
# missing in it; the first has none.
FUNDING = """
create table settled as
with gaps as (
    select exchange, asset, date_trunc('hour', funded_at::timestamp) as settled_at, rate,
        date_diff('hour', lag(settled_at) over (partition by exchange, asset order by settled_at), settled_at) as gap
    from funding_rates
)
select exchange, asset, settled_at, last_value(if(gap in (1, 2, 4, 6, 8), gap, null) ignore nulls) over (
    partition by exchange, asset order by settled_at
) as own_hours, rate / own_hours * 8760 as annualised
from gaps;

create table rates as
select stamps.*, settled_at, annualised
from stamps asof join settled
    on settled.exchange = stamps.exchange and settled.asset = stamps.asset and settled_at <= stamp
where stamp <= settled_at + to_hours(greatest(coalesce(own_hours, 8), 8)::int + 1);
"""

# Each asset and ALL at a stamp: liquidations of the hour before it, the rest of the moment. Full reporting is the share
# of open interest, as last known, whose every liquidation is told; of contracts, where no open interest is known.
HOURLY = """
create macro share(reporting_usd, watched_usd, reporting, watched) as
    coalesce(reporting_usd / watched_usd, reporting / watched);

create table hourly as
select market, stamp, sum(long_usd) as long_usd, sum(short_usd) as short_usd, sum(total_usd) as total_usd,
    sum(observed_instruments) as observed, max(completeness) as completeness, count(*) as instruments,
    sum(if(is_lower_bound, 0, coalesce(last_usd, 0)))::double as reporting_usd, sum(last_usd)::double as watched_usd,
    count(*) filter (not is_lower_bound) as reporting, count(usd) as held, count(usd) filter (is_fresh) as fresh,
    sum(usd) as usd, sum(base) filter (market <> 'ALL') as base, median(close) filter (market <> 'ALL') as price,
    sum(annualised * usd) / sum(usd) filter (annualised is not null) as annualised,
    list_distinct(list(exchange) filter (coalesce(total_usd, usd, close, annualised) is not null)) as exchanges,
    coalesce(list_distinct(list(exchange) filter (usd is null)), []) as lacking,
    coalesce(list(exchange || ':' || symbol) filter (usd is not null), []) as panel,
    coalesce(list(exchange || ':' || symbol) filter (close is not null), []) as price_panel,
    max(if(is_observed, stamp, null)) as liquidations_at, max(observed_at) as open_interest_at,
    max(if(close is not null, stamp, null)) as candles_at, max(settled_at) as funding_rates_at
from (select *, hour_at + interval 1 hour as stamp from liquidations_hourly)
join watched using (exchange, asset) join members using (exchange, asset) join stocks using (exchange, asset, stamp)
left join closes using (exchange, asset, stamp) left join rates using (exchange, asset, stamp) group by all;
"""

# What adds up is the sum over exchanges, the rest is of the period's hours and ends.
MARKET = """
create table market_periods as
with sums as (
    select grain, period_start_date, market, sum(flow.long_usd) as long_usd, sum(flow.short_usd) as short_usd,
        sum(flow.total_usd) as total_usd, sum(close_usd) as open_interest_usd,
        sum(close_base) filter (market <> 'ALL') as open_interest_base, sum(moved_usd) as change_usd,
        sum(effects.price_effect_usd) as price_effect_usd, sum(effects.position_effect_usd) as position_effect_usd,
        sum(moved_usd) * 0 as listing_effect_usd, sum(effects.coverage_effect_usd) as coverage_effect_usd,
        max(completeness) as completeness, bool_or(flow.is_lower_bound) as is_lower_bound, count(*) as instruments,
        coalesce(list_distinct(list(exchange) filter (close_usd is null)), []) as open_interest_lacking,
        count(close_usd) < count(*) as open_interest_is_lower_bound,
        sum(stock.observed_hours) as open_interest_observed_hours,
        open_interest_observed_hours / sum(stock.expected_hours) as open_interest_observed_ratio,
        sum(flow.observed_hours + stock.observed_hours) as observed_hours,
        sum(flow.expected_hours + stock.expected_hours) as expected_hours,
        sum(flow.observed_hours + stock.observed_hours)
        / sum(flow.expected_hours + stock.expected_hours) as observed_ratio,
        bool_and(flow.is_complete and stock.is_complete) as is_complete
    from liquidations_periods as flow join open_interest_periods as stock
        using (grain, period_start_date, exchange, asset)
    join effects using (grain, period_start_date, exchange, asset) join members using (exchange, asset) group by all
),
hours as (
    select grain, period_start_date, hourly.market, avg(annualised) as funding_rate_annualised,
        if(count(log_ratio) / any_value(passed_hours) >= 23 / 24, sqrt(sum(log_ratio ** 2)), null)
            as realised_volatility,
        if(count(annualised) > 0, 'open_interest', null) as funding_weighting,
        share(sum(reporting_usd), sum(watched_usd), sum(reporting), sum(instruments)) as full_reporting_ratio,
        list_distinct(flatten(list(exchanges))) as exchanges,
        any_value(price) filter (stamp = periods.end_at) as price_close
    from hourly join periods on stamp > periods.start_at and stamp <= periods.end_at
    left join returns on returns.market = hourly.market and returns.end_at = stamp
        and returns.start_at = stamp - interval 1 hour
    group by all
)
select sums.* rename (market as asset), hours.* exclude (grain, period_start_date, market), ratio as return_ratio,
    price_open
from sums join hours using (grain, period_start_date, market) join periods using (grain, period_start_date)
left join returns using (market, start_at, end_at)
left join (select market, stamp as start_at, price as price_open from hourly) using (market, start_at);
"""

# Open interest against its past, on the contracts known at both ends.
SINCE = """
create table since_{name} as
select market, now.stamp, sum(past.usd) as open_interest_start_{name}_usd,
    sum(now.usd)::double / sum(past.usd)::double - 1 as open_interest_change_{name}_ratio,
    sum(round(past.base::double * (now.p - past.p), 6)::decimal(38, 6)) as price_effect_{name}_end_to_end_usd,
    sum(now.usd - past.usd) - price_effect_{name}_end_to_end_usd as position_effect_{name}_end_to_end_usd
from stocks as now join stocks as past using (exchange, asset) join members using (exchange, asset)
where past.stamp = now.stamp - interval {hours} hour and now.usd + past.usd is not null group by all;

create table return_{name} as
select market, end_at as stamp, ratio as return_{name}_ratio
from returns where end_at = start_at + interval {hours} hour;
"""

# The index is chained of what those seen now gained since each was last seen, over what all were worth then.
FALLS = """
create table falls as
with contracts as (
    select market, stamp, usd, last_value(usd ignore nulls) over (
        partition by market, exchange, asset order by stamp rows between unbounded preceding and 1 preceding
    ) as last
    from stocks join members using (exchange, asset)
),
links as (
    select market, stamp, count(usd) as seen, 1 + coalesce(sum(usd - last)::double / sum(last)::double, 0) as link
    from contracts group by all
),
levels as (
    select market, stamp, product(link) over (partition by market order by stamp) as level from links qualify seen > 0
)
select market, stamp, min(stamp) over past as index_since_at, arg_max(stamp, level) over past as peak_at,
    1 - level / max(level) over past as fall_from_peak_all_ratio,
    case when stamp >= index_since_at + interval 28 day then 1 - level / max(level) over (
        partition by market order by stamp range between interval 28 day preceding and current row
    ) end as fall_from_peak_28d_ratio,
    case when stamp >= index_since_at + interval 90 day then 1 - level / max(level) over (
        partition by market order by stamp range between interval 90 day preceding and current row
    ) end as fall_from_peak_90d_ratio
from levels window past as (partition by market order by stamp);
"""

# Liquidations of the last hours before as_of; all else at as_of.
TRAILING = """
    sum(long_usd) over last_{name} as long_usd_{name}, sum(short_usd) over last_{name} as short_usd_{name},
    sum(observed) over last_{name} / ({hours} * instruments) as observed_ratio_{name},
    if(count(*) over last_{name} < {hours}, 'missing', max(completeness) over last_{name}) as completeness_{name},
    observed_ratio_{name} < 1 or completeness_{name} in ('sampled', 'missing') as is_lower_bound_{name},
"""
AS_OF = """
create table market_hourly as
select market as asset, stamp as as_of, {trailing} max(total_usd) over last_24h as worst_hour_usd_24h,
    share(sum(reporting_usd) over last_24h, sum(watched_usd) over last_24h, sum(reporting) over last_24h,
        sum(instruments) over last_24h) as full_reporting_ratio,
    price, return_24h_ratio, return_7d_ratio, usd as open_interest_usd, base as open_interest_base, instruments,
    panel, price_panel, fresh / instruments as open_interest_observed_ratio, held - fresh as open_interest_carried,
    lacking as open_interest_lacking, held < instruments as open_interest_is_lower_bound,
    max(liquidations_at) over past as liquidations_last_observed_at,
    max(open_interest_at) over past as open_interest_last_observed_at,
    max(candles_at) over past as candles_last_observed_at,
    max(funding_rates_at) over past as funding_rates_last_observed_at,
    since_24h.* exclude (market, stamp), since_28d.* exclude (market, stamp), falls.* exclude (market, stamp),
    open_interest_change_7d_ratio, open_interest_change_30d_ratio
from hourly left join falls using (market, stamp)
left join since_24h using (market, stamp) left join since_7d using (market, stamp)
left join since_28d using (market, stamp) left join since_30d using (market, stamp)
left join return_24h using (market, stamp) left join return_7d using (market, stamp)
window past as (partition by market order by stamp),
    last_24h as (partition by market order by stamp rows between 23 preceding and current row),
    last_7d as (partition by market order by stamp rows between 167 preceding and current row),
    last_30d as (partition by market order by stamp rows between 719 preceding and current row);
"""


def recomputed(tape: Path, now: str, first_day: str, assets: list[str], reached: dict[str, str]):
    """A connection that holds the marts of `tape` for the hours from `first_day` to `now`.

    Watched are the four exchanges' contracts of `assets`; `reached` holds conditions on datasets of the tape.
    """
    marts = duckdb.connect()
    marts.execute("set TimeZone = 'UTC'")
    marts.execute("create table span as select $1::timestamp as first_at, $2::timestamp as now_at", [first_day, now])
    marts.execute("create type nature as enum ('complete', 'totals', 'sampled', 'missing')")
    marts.execute("create table natures (exchange text, nature nature)")
    marts.executemany("insert into natures values (?, ?)", list(NATURES.items()))
    marts.execute(
        "create table watched as select exchange, asset, asset || '/USDT:USDT' as symbol "
        "from natures, unnest($1) as assets (asset)", [assets]
    )  # fmt: skip
    for dataset, columns in DATASETS.items():
        rows = f"from '{tape}/{dataset}.parquet' as rows join watched using (exchange, symbol)"
        if columns is None or (tape / f"{dataset}.parquet").exists():
            told = f"as select rows.* exclude (symbol), watched.asset {rows} where {reached.get(dataset, 'true')}"
        else:
            told = f"({columns})"
        marts.execute(f"create table {dataset} {told}")
    trailing = "".join(TRAILING.format(name=name, hours=WINDOWS[name]) for name in ("24h", "7d", "30d"))
    since = "".join(SINCE.format(name=name, hours=hours) for name, hours in WINDOWS.items())
    steps = (SPINE, LIQUIDATIONS, STOCKS, OPEN_INTEREST, RETURNS, FUNDING, HOURLY, MARKET, since, FALLS)
    for step in (*steps, AS_OF.format(trailing=trailing)):
        marts.execute(step)
    return marts
