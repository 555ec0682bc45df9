with instruments as (
    select * from {{ ref('int_instruments') }}
),

settings as (
    select * from {{ ref('int_settings') }}
),

stamps as (
    select hour_at from {{ ref('int_hours') }}
    union all
    select last_hour_at as hour_at from settings
),

settled as (
    select
        instruments.exchange,
        instruments.symbol,
        instruments.asset,
        {{ nearest_hour('funding_rates.funded_at') }} as settled_at,
        max_by(funding_rates.rate, funding_rates.funded_at) as rate,
        max_by(funding_rates.interval_hours, funding_rates.funded_at) as interval_hours
    from {{ ref('stg_funding_rates') }} as funding_rates
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

spine as (
    select
        instruments.exchange,
        instruments.symbol,
        stamps.hour_at
    from instruments
    cross join stamps
)

select
    spaced.exchange,
    spaced.symbol,
    spaced.asset,
    spine.hour_at,
    spaced.settled_at,
    spaced.rate,
    cast(spaced.interval_hours as double) as interval_hours,
    spaced.rate / spaced.interval_hours * 8760 as annualised
from spine
asof inner join spaced
    on
        spine.exchange = spaced.exchange
        and spine.symbol = spaced.symbol
        and spine.hour_at >= spaced.settled_at
where date_diff('hour', spaced.settled_at, spine.hour_at) <= spaced.interval_hours + 1
