"""The marts once more, straight from a tape: each definition of docs/method.md in as few words of SQL as it has.

Nothing here reads the warehouse, its models or their code. It holds for tapes on which every exchange has one linear
contract per asset, one source of liquidations whose nature doesn't change, and open interest on full hours alone.
"""

from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

NATURES = {"binance": "sampled", "bybit": "complete", "okx": "sampled", "gate": "totals"}  # docs/exchanges.md
ABSENT = {  # what a tape may lack
    "liquidations": "exchange text, symbol text, occurred_at timestamptz, position_side text, notional_usd double",
    "coverage": "exchange text, symbol text, dataset text, start_at timestamptz, end_at timestamptz",
    "funding_rates": "exchange text, symbol text, funded_at timestamptz, rate double, interval_hours double",
}

# Every hour [hour_at, hour_at + 1 h) of every watched instrument. An hour of an event feed is known where a receipt
# covers it, one of totals where its row is there; what isn't known is NULL.
FLOWS = """
create table hours as
select *, unnest(generate_series(first_at, now_at - interval 1 hour, interval 1 hour)) as hour_at from watched, span;

create table flows as
with events as (
    select exchange, symbol, date_trunc('hour', occurred_at::timestamp) as hour_at, count(*) as events,
        max(notional_usd::decimal(38, 6)) as largest_usd,
        coalesce(sum(notional_usd::decimal(38, 6)) filter (position_side = 'long'), 0) as long_usd,
        coalesce(sum(notional_usd::decimal(38, 6)) filter (position_side = 'short'), 0) as short_usd
    from liquidations group by all
),
known as (
    select exchange, symbol, asset, hour_at, 0 as events, null as largest_usd, 0 as long_usd, 0 as short_usd
    from hours join coverage using (exchange, symbol)
    where dataset = 'liquidations' and hour_at >= start_at::timestamp and hour_at < end_at::timestamp
    union all select exchange, symbol, asset, hour_at, events, largest_usd, long_usd, short_usd
    from hours join events using (exchange, symbol, hour_at)
    union all select exchange, symbol, asset, hour_at, null, null, long_usd::decimal(38, 6), short_usd::decimal(38, 6)
    from hours join liquidation_totals using (exchange, symbol) where hour_at = period_start_at::timestamp
)
select exchange, symbol, asset, hour_at, count(long_usd) > 0 as is_observed, sum(events)::bigint as events,
    if(count(long_usd) > 0, nature, 'missing')::nature as completeness, max(largest_usd)::decimal(38, 6) as largest_usd,
    sum(long_usd)::decimal(38, 6) as long_usd, sum(short_usd)::decimal(38, 6) as short_usd
from hours join natures using (exchange) left join known using (exchange, symbol, asset, hour_at)
group by exchange, symbol, asset, hour_at, nature;
"""

# Closes and open interest at every stamp, those of open interest no older than two hours. USD are the exchange's own,
# else coins times the close of the bar that ended at the observation. p is what a coin was counted at.
STOCKS = """
create table closes as
select exchange, symbol, asset, opened_at::timestamp + interval 1 hour as stamp, close
from candles join watched using (exchange, symbol);

-- Gate counts whole contracts.
update open_interest set open_interest_base = round_even(round(open_interest_base / contract_size::double, 6), 0) * contract_size::double
from instruments as own
where open_interest.exchange = 'gate' and own.exchange = 'gate' and own.symbol = open_interest.symbol;

create table observations as
select oi.exchange, oi.symbol, watched.asset, observed_at::timestamp as stamp, open_interest_base::decimal(38, 12) as base,
    coalesce(open_interest_usd, open_interest_base * close)::decimal(38, 6) as usd
from open_interest as oi join watched using (exchange, symbol)
left join closes on closes.exchange = oi.exchange and closes.symbol = oi.symbol and closes.stamp = oi.observed_at::timestamp;

create table stamps as
select *, unnest(generate_series(first_at, now_at, interval 1 hour)) as stamp from watched, span;

create table stocks as
select stamps.exchange, stamps.symbol, stamps.asset, stamps.stamp, seen.stamp = stamps.stamp as is_observed,
    case when seen.stamp >= stamps.stamp - interval 2 hour then base end as base,
    case when seen.stamp >= stamps.stamp - interval 2 hour then usd end as usd, usd::double / base::double as p
from stamps asof left join observations as seen
    on stamps.exchange = seen.exchange and stamps.symbol = seen.symbol and stamps.stamp >= seen.stamp;
"""

# Days, ISO weeks and months that overlap the span; of an open one, what has passed.
PERIODS = """
create table periods as
select distinct grain, date_trunc(grain, hour_at)::date as period_start_date, date_trunc(grain, hour_at) as start_at,
    least(date_trunc(grain, hour_at) + ('1 ' || grain)::interval, now_at) as end_at,
    date_trunc(grain, hour_at) + ('1 ' || grain)::interval <= now_at as is_over,
    date_diff('hour', start_at, end_at) as passed_hours
from hours, (values ('day'), ('week'), ('month')) as grains (grain);
"""

# Flows are summed. A period is as good as its worst hour; an hour before the span was not observed.
LIQUIDATIONS = """
create table liquidations_hourly as
select *, long_usd + short_usd as total_usd, completeness in ('sampled', 'missing') as is_lower_bound from flows;

create table liquidations_periods as
select grain, period_start_date, exchange, asset, sum(long_usd) as long_usd, sum(short_usd) as short_usd,
    sum(total_usd) as total_usd, sum(events)::bigint as events, max(largest_usd) as largest_usd,
    max(total_usd) as worst_hour_usd, count(*) filter (is_observed) as observed_hours, passed_hours as expected_hours,
    observed_hours / expected_hours as observed_ratio, is_over and observed_hours = expected_hours as is_complete,
    if(observed_hours < expected_hours, 'missing', max(completeness))::nature as completeness,
    bool_or(is_lower_bound) or observed_hours < expected_hours as is_lower_bound
from liquidations_hourly as hours join periods on hour_at >= start_at and hour_at < end_at
group by grain, period_start_date, exchange, asset, passed_hours, is_over;
"""
WINDOWS = {"24h": 24, "7d": 168, "28d": 672, "30d": 720}

# A period opens and closes with the stocks at its ends; the rest is over every observation from end to end. A day's
# change is split per contract; a longer period's effects are sums of days, and coverage what they leave unexplained.
OPEN_INTEREST = """
create table ends as
select grain, period_start_date, start_at, end_at, watched.*, opened.usd as open_usd, closed.usd as close_usd,
    opened.base as open_base, closed.base as close_base,
    coalesce(close_usd, 0) - coalesce(open_usd, 0) as moved_usd,
    coalesce(round(open_base::double * (closed.p - opened.p), 6)::decimal(38, 6), 0) as price_effect_usd,
    if(open_usd is null or close_usd is null, moved_usd, 0) as coverage_effect_usd,
    moved_usd - price_effect_usd - coverage_effect_usd as position_effect_usd
from periods cross join watched
left join stocks as opened
    on opened.exchange = watched.exchange and opened.symbol = watched.symbol and opened.stamp = start_at
left join stocks as closed
    on closed.exchange = watched.exchange and closed.symbol = watched.symbol and closed.stamp = end_at;

create table open_interest_periods as
with effects as (
    select periods.grain, periods.period_start_date, exchange, asset,
        sum(price_effect_usd) as price_effect_usd, sum(position_effect_usd) as position_effect_usd
    from ends as days join periods on days.start_at >= periods.start_at and days.end_at <= periods.end_at
    where days.grain = 'day' and open_usd is not null and close_usd is not null group by all
),
ranges as (
    select grain, period_start_date, exchange, asset, max(usd) as high_usd, min(usd) as low_usd,
        sum(usd)::double / count(usd) as mean_usd, max(base) as high_base, min(base) as low_base,
        sum(base)::double / count(base) as mean_base, count(usd) as observations,
        count(usd) filter (stamp < end_at) as observed_hours
    from observations join periods on stamp between start_at and end_at group by all
)
select ends.grain, ends.period_start_date, exchange, asset, open_usd, close_usd, open_base, close_base,
    ranges.* exclude (grain, period_start_date, exchange, asset, observations, observed_hours),
    coalesce(observations, 0) as observations, coalesce(observed_hours, 0) as observed_hours,
    passed_hours as expected_hours, coalesce(observed_hours, 0) / passed_hours as observed_ratio,
    is_over and open_usd is not null and close_usd is not null
        and coalesce(observed_hours, 0) = passed_hours as is_complete,
    close_usd - open_usd as change_usd, change_usd + effects.price_effect_usd - change_usd as price_effect_usd,
    change_usd + effects.position_effect_usd - change_usd as position_effect_usd, change_usd * 0 as listing_effect_usd,
    change_usd - effects.price_effect_usd - effects.position_effect_usd as coverage_effect_usd
from ends join periods using (grain, period_start_date)
left join effects using (grain, period_start_date, exchange, asset)
left join ranges using (grain, period_start_date, exchange, asset);
"""

# Price: the median close. Return between two stamps: the median of each contract's own, ALL's that of its assets
# weighted by open interest at the first. An hour's return is in logarithms.
RETURNS = """
create table weights as select asset, stamp, sum(usd)::double as usd from stocks group by all;
create table prices as select asset as market, stamp, median(close) as price from closes group by all;

create table spans_of_time as
select distinct start_at, end_at from periods
union select stamp - interval 1 hour, stamp from stocks
union select stamp - interval 24 hour, stamp from stocks union select stamp - interval 168 hour, stamp from stocks;

create table returns as
with own as (
    select opened.asset, start_at, end_at, median(closed.close / opened.close - 1) as ratio,
        median(ln(closed.close / opened.close)) as log_ratio
    from spans_of_time join closes as opened on opened.stamp = start_at
    join closes as closed on closed.stamp = end_at and closed.exchange = opened.exchange and closed.symbol = opened.symbol
    group by all
)
select asset as market, start_at, end_at, ratio, log_ratio from own
union all
select 'ALL', start_at, end_at, sum(ratio * usd) / sum(usd), ln(1 + sum((exp(log_ratio) - 1) * usd) / sum(usd))
from own join weights on weights.asset = own.asset and stamp = start_at group by all;
"""

# In force at a stamp is the last rate settled by then (binance's milliseconds late), for its interval: the gap to the one
# before, which the first doesn't have. A period's mean is over the stamps after its start.
FUNDING = """
create table rates as
with settled as (
    select exchange, symbol, date_trunc('hour', funded_at::timestamp) as settled_at, rate,
        date_diff('hour', lag(settled_at) over (partition by exchange, symbol order by funded_at), settled_at) as interval_hours
    from funding_rates
)
select market, stamp, sum(rate / interval_hours * 8760 * usd) / sum(usd) as annualised
from settled join stocks using (exchange, symbol) join members using (exchange, symbol)
where stamp >= settled_at and stamp < settled_at + to_hours(interval_hours) and usd is not null
group by all;
"""

MARKET = """
create table market_periods as
with flows as (
    select grain, period_start_date, market, sum(long_usd) as long_usd, sum(short_usd) as short_usd,
        sum(total_usd) as total_usd, max(completeness) as completeness, sum(observed_hours) as observed_hours,
        sum(expected_hours) as expected_hours, bool_and(is_complete) as is_complete, count(*) as instruments,
        list(exchange) filter (total_usd is not null) as exchanges
    from liquidations_periods join members using (exchange, asset) group by all
),
stocks as (
    select grain, period_start_date, market, sum(close_usd) as open_interest_usd, sum(observed_hours) as observed_hours,
        sum(close_base) filter (market <> 'ALL') as open_interest_base, bool_and(is_complete) as is_complete,
        sum(expected_hours) as expected_hours, list(exchange) filter (observations > 0) as exchanges,
        count(close_usd) < count(*) as is_lower_bound,
        sum(close_usd) filter (nature in ('complete', 'totals'))::double / sum(close_usd)::double as full_reporting_ratio
    from open_interest_periods join members using (exchange, asset) join natures using (exchange) group by all
),
effects as (
    select periods.grain, periods.period_start_date, market, sum(moved_usd) as change_usd,
        sum(price_effect_usd) as price_effect_usd, sum(position_effect_usd) as position_effect_usd,
        sum(moved_usd) * 0 as listing_effect_usd, sum(coverage_effect_usd) as coverage_effect_usd
    from ends as days join periods on days.start_at >= periods.start_at and days.end_at <= periods.end_at
    join members using (exchange, symbol)
    where days.grain = 'day' and (open_usd is not null or close_usd is not null) group by all
),
volatility as (
    select grain, period_start_date, market,
        if(count(log_ratio) * 24 >= any_value(passed_hours) * 23, sqrt(sum(log_ratio ** 2)), null) as realised_volatility
    from returns join periods on returns.end_at > periods.start_at and returns.end_at <= periods.end_at
    where returns.end_at = returns.start_at + interval 1 hour group by all
),
funding as (
    select grain, period_start_date, market, avg(annualised) as funding_rate_annualised
    from rates join periods on stamp > start_at and stamp <= end_at group by all
)
select grain, period_start_date, market as asset, long_usd, short_usd, total_usd, open_interest_usd, open_interest_base,
    effects.* exclude (grain, period_start_date, market), opened.price as price_open, closed.price as price_close,
    returns.ratio as return_ratio, realised_volatility, funding_rate_annualised, flows.completeness, instruments,
    list_sort(list_distinct(list_concat(flows.exchanges, stocks.exchanges))) as exchanges,
    flows.observed_hours + stocks.observed_hours as observed_hours,
    flows.expected_hours + stocks.expected_hours as expected_hours,
    (flows.observed_hours + stocks.observed_hours) / (flows.expected_hours + stocks.expected_hours) as observed_ratio,
    flows.is_complete and stocks.is_complete as is_complete, flows.completeness in ('sampled', 'missing') as is_lower_bound,
    stocks.observed_hours / stocks.expected_hours as open_interest_observed_ratio,
    stocks.is_lower_bound as open_interest_is_lower_bound, full_reporting_ratio,
    if(funding_rate_annualised is not null, 'open_interest', null) as funding_weighting
from periods join flows using (grain, period_start_date) join stocks using (grain, period_start_date, market)
left join effects using (grain, period_start_date, market)
left join volatility using (grain, period_start_date, market)
left join funding using (grain, period_start_date, market)
left join returns using (market, start_at, end_at)
left join prices as opened on opened.market = flows.market and opened.stamp = start_at
left join prices as closed on closed.market = flows.market and closed.stamp = end_at;
"""

# Trailing sums of the hours before as_of; open interest against its past on the contracts known at both ends.
TRAILING = """
create table trailing_{name} as
with hourly as (
    select market, hour_at + interval 1 hour as as_of, sum(long_usd) as long_usd, sum(short_usd) as short_usd,
        sum(total_usd) as total_usd, count(*) filter (is_observed) as observed, count(*) as instruments,
        max(completeness) as completeness
    from liquidations_hourly join members using (exchange, symbol) group by all
)
select market as asset, as_of, sum(long_usd) over w as long_usd_{name}, sum(short_usd) over w as short_usd_{name},
    max(total_usd) over w as worst_hour_usd_{name}, sum(observed) over w / ({hours} * instruments) as observed_ratio_{name},
    if(count(*) over w < {hours}, 'missing', max(completeness) over w)::nature as completeness_{name},
    completeness_{name} in ('sampled', 'missing') as is_lower_bound_{name}
from hourly window w as (partition by market order by as_of rows between {hours} - 1 preceding and current row);

create table since_{name} as
select market as asset, now.stamp as as_of, sum(before.usd) as open_interest_start_{name}_usd,
    sum(now.usd)::double / sum(before.usd)::double - 1 as open_interest_change_{name}_ratio,
    sum(round(before.base::double * (now.p - before.p), 6)::decimal(38, 6)) as price_effect_{name}_end_to_end_usd,
    sum(now.usd - before.usd) - price_effect_{name}_end_to_end_usd as position_effect_{name}_end_to_end_usd
from stocks as now join stocks as before
    on now.exchange = before.exchange and now.symbol = before.symbol and before.stamp = now.stamp - interval {hours} hour
join members on members.exchange = now.exchange and members.symbol = now.symbol
where now.usd is not null and before.usd is not null group by all;
"""

AS_OF = """
create table market_hourly as
select now.*, price, daily.ratio as return_24h_ratio, weekly.ratio as return_7d_ratio,
    trailing_24h.* exclude (asset, as_of), trailing_7d.* exclude (asset, as_of, worst_hour_usd_7d),
    trailing_30d.* exclude (asset, as_of, worst_hour_usd_30d), since_24h.* exclude (asset, as_of),
    open_interest_change_7d_ratio, since_28d.* exclude (asset, as_of), open_interest_change_30d_ratio,
    falls.* exclude (asset, as_of)
from (
    select market as asset, stamp as as_of, sum(usd) as open_interest_usd,
        sum(base) filter (usd is not null and market <> 'ALL') as open_interest_base, count(*) as instruments,
        coalesce(list(exchange || ':' || symbol order by exchange, symbol) filter (usd is not null), []) as panel,
        count(*) filter (is_observed and usd is not null) / count(*) as open_interest_observed_ratio,
        count(usd) < count(*) as open_interest_is_lower_bound,
        sum(usd) filter (nature in ('complete', 'totals'))::double / sum(usd)::double as full_reporting_ratio
    from stocks join members using (exchange, symbol) join natures using (exchange) group by all
) as now
join trailing_24h using (asset, as_of) join trailing_7d using (asset, as_of) join trailing_30d using (asset, as_of)
left join since_24h using (asset, as_of) left join since_7d using (asset, as_of)
left join since_28d using (asset, as_of) left join since_30d using (asset, as_of)
left join falls using (asset, as_of)
left join prices on prices.market = now.asset and prices.stamp = as_of
left join returns as daily
    on daily.market = now.asset and daily.end_at = as_of and daily.start_at = as_of - interval 24 hour
left join returns as weekly
    on weekly.market = now.asset and weekly.end_at = as_of and weekly.start_at = as_of - interval 168 hour;
"""


def _falls(stocks: pd.DataFrame) -> pd.DataFrame:
    """Falls of the chain-linked index: what those seen gained since their own last, over the last of all."""
    found = []
    for market, own in stocks.groupby("market"):
        values = own.pivot(index="stamp", columns="contract", values="usd")
        last, level, levels = np.full(values.shape[1], np.nan), 1.0, []
        for seen in values.to_numpy():
            if np.isfinite(last).any() and np.isfinite(seen).any():
                level *= 1 + np.nansum(seen - last) / np.nansum(last)
            levels.append(level if np.isfinite(seen).any() else np.nan)
            last = np.where(np.isfinite(seen), seen, last)
        index = pd.Series(levels, values.index)
        fall = pd.DataFrame({"asset": market, "as_of": index.index})
        since = index.first_valid_index()
        for name, hours in {"28d": 672, "90d": 2160, "all": len(index)}.items():
            peak = index.rolling(hours + 1, min_periods=1).max()
            is_old = (index.index >= since + pd.Timedelta(hours=hours)) | (name == "all")
            fall[f"fall_from_peak_{name}_ratio"] = (1 - index / peak).where(is_old).to_numpy()
        highest = index.cummax()
        fall["peak_at"] = (
            index.index.to_series().where((index == highest) & (highest.shift() != highest)).ffill().to_numpy()
        )
        fall["index_since_at"] = pd.Series(since, fall.index).where(fall["as_of"] >= since)
        found.append(fall)
    return pd.concat(found)


def recomputed(tape: Path, now: datetime, first_day: str, assets: list[str], reached: dict[str, str]):
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
        "create table watched as select exchange, asset || '/USDT:USDT' as symbol, asset "
        "from natures, unnest($1) as assets (asset)", [assets]
    )  # fmt: skip
    marts.execute("create table members as select *, unnest([asset, 'ALL']) as market from watched")
    for dataset in (
        "instruments",
        "liquidations",
        "liquidation_totals",
        "coverage",
        "open_interest",
        "candles",
        "funding_rates",
    ):
        if (tape / f"{dataset}.parquet").exists():
            marts.execute(
                f"create table {dataset} as from '{tape}/{dataset}.parquet' where {reached.get(dataset, 'true')}"
            )
        else:
            marts.execute(f"create table {dataset} ({ABSENT[dataset]})")
    for step in (FLOWS, STOCKS, PERIODS, LIQUIDATIONS, OPEN_INTEREST, RETURNS, FUNDING, MARKET):
        marts.execute(step)
    for name, hours in WINDOWS.items():
        marts.execute(TRAILING.format(name=name, hours=hours))
    levels = "select market, stamp, exchange || symbol as contract, usd::double as usd from stocks join members using (exchange, symbol)"
    marts.register("fallen", _falls(marts.sql(levels).df()))
    marts.execute("create table falls as from fallen")
    marts.execute(AS_OF)
    return marts
