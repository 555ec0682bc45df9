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
WINDOWS = {"24h": 24, "7d": 168, "28d": 672, "30d": 720}
OBSERVED = ("liquidations", "open_interest", "candles", "funding_rates")
ABSENT = {  # what a tape may lack
    "liquidations": "exchange text, symbol text, occurred_at timestamptz, position_side text, notional_usd double",
    "coverage": "exchange text, symbol text, dataset text, state text, start_at timestamptz, end_at timestamptz",
    "funding_rates": "exchange text, symbol text, funded_at timestamptz, rate double, interval_hours double",
}

# Every hour [hour_at, hour_at + 1 h) of every watched instrument. One of an event feed is observed where a receipt covers
# it, one of totals where its row is there. A receipt is a zero to which events add.
FLOWS = """
create table hours as
select *, unnest(generate_series(first_at, now_at - interval 1 hour, interval 1 hour)) as hour_at from watched, span;

create table flows as
with known as (
    select exchange, symbol, hour_at, true as is_receipt, 0 as long, 0 as short, 0 as event, null as value
    from hours join coverage using (exchange, symbol)
    where dataset = 'liquidations' and state = 'complete' and hour_at >= start_at::timestamp and hour_at < end_at::timestamp
    union all select exchange, symbol, date_trunc('hour', occurred_at::timestamp), false,
        if(position_side = 'long', notional_usd, null), if(position_side = 'short', notional_usd, null), 1, notional_usd
    from liquidations
    union all select exchange, symbol, period_start_at::timestamp, true, long_usd, short_usd, null, null
    from liquidation_totals
)
select exchange, symbol, asset, hour_at, coalesce(bool_or(is_receipt), false) as is_observed, 1 as instruments,
    is_observed::int as observed_instruments, sum(long::decimal(38, 6)) as long_usd,
    sum(short::decimal(38, 6)) as short_usd, coalesce(long_usd + short_usd, long_usd, short_usd) as total_usd,
    sum(event)::bigint as events, max(value::decimal(38, 6)) as largest_usd,
    if(bool_or(is_receipt) is null, 'missing', nature)::nature as completeness,
    not is_observed or completeness in ('sampled', 'missing') as is_lower_bound
from hours join natures using (exchange) left join known using (exchange, symbol, hour_at)
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
select stamps.exchange, stamps.symbol, stamps.asset, stamps.stamp, usd as last_usd, usd::double / base::double as p,
    case when seen.stamp >= stamps.stamp - interval 2 hour then base end as base,
    case when seen.stamp >= stamps.stamp - interval 2 hour then usd end as usd,
    case when seen.stamp >= stamps.stamp - interval 2 hour then seen.stamp end as observed_at,
    coalesce(seen.stamp > stamps.stamp - interval 1 hour, false) as is_fresh
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
create table liquidations_hourly as select * exclude symbol from flows;

create table liquidations_periods as
select grain, period_start_date, exchange, asset, sum(long_usd) as long_usd, sum(short_usd) as short_usd,
    sum(total_usd) as total_usd, sum(events)::bigint as events, max(largest_usd) as largest_usd,
    max(total_usd) as worst_hour_usd, count(*) filter (is_observed) as observed_hours, passed_hours as expected_hours,
    observed_hours / expected_hours as observed_ratio, is_over and observed_hours = expected_hours as is_complete,
    if(count(*) < expected_hours, 'missing', max(completeness))::nature as completeness,
    bool_or(is_lower_bound) or observed_hours < expected_hours as is_lower_bound, 1 as instruments
from liquidations_hourly as hours join periods on hour_at >= start_at and hour_at < end_at
group by grain, period_start_date, exchange, asset, passed_hours, is_over;
"""

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
with days as (
    select periods.grain, periods.period_start_date, exchange, asset, sum(price_effect_usd) as price_effect_usd,
        sum(position_effect_usd) as position_effect_usd, bool_or(open_usd is null or close_usd is null) as lacks_an_end
    from ends as days join periods on days.start_at >= periods.start_at and days.end_at <= periods.end_at
    where days.grain = 'day' group by all
),
held as (
    select grain, period_start_date, exchange, asset, count(usd) filter (is_fresh) as observed_hours,
        count(usd) filter (not is_fresh) as carried_hours
    from stocks join periods on stamp >= start_at and stamp < end_at group by all
),
ranges as (
    select grain, period_start_date, exchange, asset, max(usd) as high_usd, min(usd) as low_usd,
        sum(usd)::double / count(usd) as mean_usd, max(base) as high_base, min(base) as low_base,
        sum(base)::double / count(base) as mean_base, count(usd) as observations, count(base) as observations_base,
        count(usd) < count(*) as lacks_a_value, bool_or(stamp = start_at) as is_open_observed
    from observations join periods on stamp between start_at and end_at group by all
)
select ends.grain, ends.period_start_date, exchange, asset, open_usd, close_usd, open_base, close_base, high_usd, low_usd,
    mean_usd, high_base, low_base, mean_base, coalesce(observations, 0) as observations, 1 as instruments,
    coalesce(observations_base, 0) as observations_base, coalesce(is_open_observed, false) as is_open_observed,
    carried_hours, observed_hours, passed_hours as expected_hours, observed_hours / passed_hours as observed_ratio,
    is_over and open_usd + close_usd is not null and observed_hours = passed_hours as is_complete,
    lacks_an_end or coalesce(lacks_a_value, false) as is_lower_bound, close_usd - open_usd as change_usd,
    if(change_usd is null, null, days.price_effect_usd) as price_effect_usd,
    if(change_usd is null, null, days.position_effect_usd) as position_effect_usd, change_usd * 0 as listing_effect_usd,
    change_usd - days.price_effect_usd - days.position_effect_usd as coverage_effect_usd
from ends join periods using (grain, period_start_date) join held using (grain, period_start_date, exchange, asset)
join days using (grain, period_start_date, exchange, asset)
left join ranges using (grain, period_start_date, exchange, asset);
"""

# Price: the median close. Return between two stamps: the median of each contract's own, ALL's that of its assets
# weighted by open interest at the first. An hour's return is in logarithms.
RETURNS = """
create table weights as select asset, stamp, sum(usd)::double as usd from stocks group by all;

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

# In force at a stamp is the last rate settled by then (binance's come milliseconds late), until an hour after the next is
# due: in eight hours, or in its own interval if that is longer. The interval is the gap to the one before; the first has none.
FUNDING = """
create table settled as
select exchange, symbol, date_trunc('hour', funded_at::timestamp) as settled_at,
    date_diff('hour', lag(settled_at) over (partition by exchange, symbol order by funded_at), settled_at) as own_hours,
    rate / own_hours * 8760 as annualised
from funding_rates;

create table rates as
select stamps.exchange, stamps.symbol, stamp, settled_at, annualised
from stamps asof join settled
    on stamps.exchange = settled.exchange and stamps.symbol = settled.symbol and stamp >= settled_at
where stamp <= settled_at + to_hours(greatest(coalesce(own_hours, 8), 8)::int + 1);
"""

# Each asset and ALL at a stamp: liquidations of the hour before it, the rest of the moment. Watched is open interest as
# last known; fully reporting are contracts whose every liquidation of the hour is in events or totals.
HOURLY = """
create table hourly as
select market, stamp, sum(long_usd) as long_usd, sum(short_usd) as short_usd, sum(total_usd) as total_usd,
    count(*) filter (is_observed) as observed, max(completeness) as completeness, count(*) as instruments,
    sum(last_usd)::double as watched_usd, count(*) filter (is_observed and completeness in ('complete', 'totals')) as reporting,
    coalesce(sum(last_usd) filter (is_observed and completeness in ('complete', 'totals')), 0)::double as reporting_usd,
    sum(usd) as usd, sum(base) filter (market <> 'ALL') as base, count(usd) as held, count(usd) filter (is_fresh) as fresh,
    median(close) filter (market <> 'ALL') as price, any_value(log_ratio) as log_ratio,
    sum(annualised * usd) / sum(usd) filter (annualised is not null) as annualised,
    list_distinct(list(exchange) filter (coalesce(total_usd, usd, close, annualised) is not null)) as exchanges,
    list_distinct(list(exchange) filter (usd is null)) as lacking,
    list(exchange || ':' || symbol) filter (usd is not null) as panel,
    list(exchange || ':' || symbol) filter (close is not null) as price_panel,
    max(if(is_observed, stamp, null)) as liquidations_at, max(observed_at) as open_interest_at,
    max(if(close is not null, stamp, null)) as candles_at, max(settled_at) as funding_rates_at
from flows join members using (exchange, symbol) join stocks using (exchange, symbol)
left join closes using (exchange, symbol, stamp) left join rates using (exchange, symbol, stamp)
left join (select market, start_at as hour_at, end_at as stamp, log_ratio from returns) using (market, hour_at, stamp)
where stamp = hour_at + interval 1 hour group by all;

create macro of_watched(reporting_usd, watched_usd, reporting, instruments) as
    coalesce(reporting_usd / watched_usd, reporting / instruments);
"""

# Sums over exchanges; what isn't a sum is of the period's hours and ends.
MARKET = """
create table market_periods as
with flows as (
    select grain, period_start_date, market, sum(long_usd) as long_usd, sum(short_usd) as short_usd,
        sum(total_usd) as total_usd, max(completeness) as completeness, bool_or(is_lower_bound) as is_lower_bound,
        sum(observed_hours) as observed_hours, sum(expected_hours) as expected_hours,
        bool_and(is_complete) as is_complete, count(*) as instruments
    from liquidations_periods join members using (exchange, asset) group by all
),
stocks as (
    select grain, period_start_date, market, sum(close_usd) as open_interest_usd,
        sum(close_base) filter (market <> 'ALL') as open_interest_base, sum(observed_hours) as observed_hours,
        bool_and(is_complete) as is_complete, list_distinct(list(exchange) filter (close_usd is null)) as lacking
    from open_interest_periods join members using (exchange, asset) group by all
),
effects as (
    select periods.grain, periods.period_start_date, market, sum(moved_usd) as change_usd,
        sum(price_effect_usd) as price_effect_usd, sum(position_effect_usd) as position_effect_usd,
        sum(moved_usd) * 0 as listing_effect_usd, sum(coverage_effect_usd) as coverage_effect_usd
    from ends as days join periods on days.start_at >= periods.start_at and days.end_at <= periods.end_at
    join members using (exchange, symbol)
    where days.grain = 'day' and (open_usd is not null or close_usd is not null) group by all
),
hours as (
    select grain, period_start_date, market, avg(annualised) as funding_rate_annualised,
        if(count(log_ratio) * 24 >= any_value(passed_hours) * 23, sqrt(sum(log_ratio ** 2)), null) as realised_volatility,
        of_watched(sum(reporting_usd), sum(watched_usd), sum(reporting), sum(instruments)) as full_reporting_ratio,
        list_distinct(flatten(list(exchanges))) as exchanges
    from hourly join periods on stamp > start_at and stamp <= end_at group by all
)
select grain, period_start_date, market as asset, long_usd, short_usd, total_usd, open_interest_usd, open_interest_base,
    effects.* exclude (grain, period_start_date, market), price_open, price_close, ratio as return_ratio, realised_volatility, funding_rate_annualised,
    if(funding_rate_annualised is null, null, 'open_interest') as funding_weighting, hours.exchanges,
    flows.completeness, flows.is_lower_bound, hours.full_reporting_ratio, flows.instruments, coalesce(stocks.lacking, []) as open_interest_lacking,
    stocks.lacking is not null as open_interest_is_lower_bound, stocks.observed_hours as open_interest_observed_hours,
    stocks.observed_hours / flows.expected_hours as open_interest_observed_ratio,
    flows.observed_hours + stocks.observed_hours as observed_hours, 2 * flows.expected_hours as expected_hours,
    (flows.observed_hours + stocks.observed_hours) / (2 * flows.expected_hours) as observed_ratio,
    flows.is_complete and stocks.is_complete as is_complete
from periods join flows using (grain, period_start_date) join stocks using (grain, period_start_date, market)
left join effects using (grain, period_start_date, market) left join hours using (grain, period_start_date, market)
left join returns using (market, start_at, end_at)
left join (select market, stamp as start_at, price as price_open from hourly) using (market, start_at)
left join (select market, stamp as end_at, price as price_close from hourly) using (market, end_at);
"""

# Liquidations of the hours before as_of; open interest against its past on the contracts known at both ends.
TRAILING = """
    sum(long_usd) over last_{name} as long_usd_{name}, sum(short_usd) over last_{name} as short_usd_{name},
    sum(observed) over last_{name} / ({hours} * instruments) as observed_ratio_{name},
    if(count(*) over last_{name} < {hours}, 'missing', max(completeness) over last_{name})::nature as completeness_{name},
    observed_ratio_{name} < 1 or completeness_{name} in ('sampled', 'missing') as is_lower_bound_{name}
"""
SINCE = """
create table since_{name} as
select market, now.stamp, sum(before.usd) as open_interest_start_{name}_usd,
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
with daily as (select market, end_at as stamp, ratio from returns where end_at = start_at + interval 24 hour),
weekly as (select market, end_at as stamp, ratio from returns where end_at = start_at + interval 168 hour)
select market as asset, stamp as as_of, price, daily.ratio as return_24h_ratio, weekly.ratio as return_7d_ratio, {trailing},
    max(total_usd) over last_24h as worst_hour_usd_24h, of_watched(
        sum(reporting_usd) over last_24h, sum(watched_usd) over last_24h, sum(reporting) over last_24h,
        sum(instruments) over last_24h
    ) as full_reporting_ratio, usd as open_interest_usd, base as open_interest_base, instruments,
    fresh / instruments as open_interest_observed_ratio, held - fresh as open_interest_carried,
    held < instruments as open_interest_is_lower_bound, coalesce(lacking, []) as open_interest_lacking,
    coalesce(panel, []) as panel, coalesce(price_panel, []) as price_panel, since_24h.* exclude (market, stamp),
    open_interest_change_7d_ratio, since_28d.* exclude (market, stamp), open_interest_change_30d_ratio,
    falls.* exclude (market, stamp), {last_observed}
from hourly left join since_24h using (market, stamp) left join since_7d using (market, stamp)
left join since_28d using (market, stamp) left join since_30d using (market, stamp) left join falls using (market, stamp)
left join daily using (market, stamp) left join weekly using (market, stamp)
window past as (partition by market order by stamp rows unbounded preceding), {windows};
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
        fall = pd.DataFrame({"market": market, "stamp": index.index})
        since = index.first_valid_index()
        for name, hours in {"28d": 672, "90d": 2160, "all": len(index)}.items():
            peak = index.rolling(hours + 1, min_periods=1).max()
            is_old = (index.index >= since + pd.Timedelta(hours=hours)) | (name == "all")
            fall[f"fall_from_peak_{name}_ratio"] = (1 - index / peak).where(is_old).to_numpy()
        highest = index.cummax()
        fall["peak_at"] = (
            index.index.to_series().where((index == highest) & (highest.shift() != highest)).ffill().to_numpy()
        )
        fall["index_since_at"] = pd.Series(since, fall.index).where(fall["stamp"] >= since)
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
    for step in (FLOWS, STOCKS, PERIODS, LIQUIDATIONS, OPEN_INTEREST, RETURNS, FUNDING, HOURLY, MARKET):
        marts.execute(step)
    for name, hours in WINDOWS.items():
        marts.execute(SINCE.format(name=name, hours=hours))
    levels = "select market, stamp, exchange || symbol as contract, usd::double as usd from stocks join members using (exchange, symbol)"
    marts.register("fallen", _falls(marts.sql(levels).df()))
    marts.execute("create table falls as from fallen")
    trailing = [TRAILING.format(name=name, hours=hours) for name, hours in WINDOWS.items() if name != "28d"]
    windows = [
        f"last_{name} as (partition by market order by stamp rows between {hours - 1} preceding and current row)"
        for name, hours in WINDOWS.items()
    ]
    last = [f"max({dataset}_at) over past as {dataset}_last_observed_at" for dataset in OBSERVED]
    marts.execute(
        AS_OF.format(trailing=", ".join(trailing), windows=", ".join(windows), last_observed=", ".join(last))
    )
    return marts
