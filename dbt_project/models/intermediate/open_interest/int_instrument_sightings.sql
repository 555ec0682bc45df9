with instrument_open_interest as (
    select * from {{ ref('int_open_interest_hourly') }}
),

prices as (
    select * from {{ ref('int_prices_hourly') }}
),

refused as (
    select * from {{ ref('int_open_interest_refused') }}
),

coverage as (
    select * from {{ ref('stg_coverage') }}
),

sightings as (
    select
        exchange,
        symbol,
        observed_at as first_at,
        observed_at as last_at
    from instrument_open_interest
    union all
    select
        exchange,
        symbol,
        as_of - interval 1 hour as first_at,
        as_of as last_at
    from prices
    union all
    -- a faulty value is none to begin with, but the exchange still answers for the instrument
    select
        exchange,
        symbol,
        cast(null as timestamp) as first_at,
        observed_at as last_at
    from refused
),

seen as (
    select
        exchange,
        symbol,
        min(first_at) as first_seen_at,
        max(last_at) as last_seen_at
    from sightings
    group by exchange, symbol
),

unlisted as (
    select
        exchange,
        symbol,
        max(end_at) as unlisted_at
    from coverage
    where dataset = 'instruments' and state = 'unavailable'
    group by exchange, symbol
)

select
    seen.exchange,
    seen.symbol,
    seen.first_seen_at,
    seen.last_seen_at,
    unlisted.unlisted_at
from seen
left join unlisted
    on seen.exchange = unlisted.exchange and seen.symbol = unlisted.symbol
