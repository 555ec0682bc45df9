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

spaced as (
    select
        exchange,
        symbol,
        asset,
        settled_at,
        rate,
        coalesce(interval_hours, least(date_diff('hour', lag(settled_at) over instrument, settled_at), 8))
            as interval_hours
    from settled
    window instrument as (partition by exchange, symbol order by settled_at)
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
where date_diff('hour', spaced.settled_at, instrument_stamps.as_of) <= spaced.interval_hours + 1
