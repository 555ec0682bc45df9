-- A rate is in force until the next settlement is due. When the intervals lengthen, nobody knows before the next
-- settlement, so that is after the longest interval, or the rate's own if that is longer; an hour late is not missing.
with instruments as (
    select * from {{ ref('int_instruments') }}
),

stamps as (
    select * from {{ ref('int_stamps') }}
),

funding_rates as (
    select * from {{ ref('stg_funding_rates') }}
),

settled as (
    select
        instruments.exchange,
        instruments.symbol,
        instruments.asset,
        {{ nearest_hour('funding_rates.funded_at') }} as settled_at,
        max_by(funding_rates.rate, funding_rates.funded_at) as rate,
        max_by(funding_rates.interval_hours, funding_rates.funded_at) as interval_hours
    from funding_rates
    inner join instruments
        on funding_rates.exchange = instruments.exchange and funding_rates.symbol = instruments.symbol
    group by
        instruments.exchange,
        instruments.symbol,
        instruments.asset,
        {{ nearest_hour('funding_rates.funded_at') }}
),

distances as (
    select
        *,
        date_diff('hour', lag(settled_at) over (partition by exchange, symbol order by settled_at), settled_at)
            as hours_since_the_last
    from settled
),

-- a distance that is no interval has a settlement missing in it: the last interval that is known holds
spaced as (
    select
        exchange,
        symbol,
        asset,
        settled_at,
        rate,
        last_value(
            coalesce(interval_hours, case when hours_since_the_last in (1, 2, 4, 6, 8) then hours_since_the_last end)
            ignore nulls
        ) over (partition by exchange, symbol order by settled_at rows unbounded preceding) as interval_hours
    from distances
),

instrument_stamps as (
    select
        instruments.exchange,
        instruments.symbol,
        stamps.as_of
    from instruments
    cross join stamps
)

select
    spaced.exchange,
    spaced.symbol,
    spaced.asset,
    instrument_stamps.as_of,
    spaced.settled_at,
    spaced.rate,
    cast(spaced.interval_hours as double) as interval_hours,
    spaced.rate / spaced.interval_hours * 8760 as annualised
from instrument_stamps
asof inner join spaced
    on
        instrument_stamps.exchange = spaced.exchange
        and instrument_stamps.symbol = spaced.symbol
        and instrument_stamps.as_of >= spaced.settled_at
where
    date_diff('hour', spaced.settled_at, instrument_stamps.as_of)
    <= greatest(coalesce(spaced.interval_hours, 8), 8) + 1
