with instruments as (
    select * from {{ ref('int_instruments') }}
),

days as (
    select * from {{ ref('int_days') }}
),

bounds as (
    select * from {{ ref('int_spine_bounds') }}
),

instrument_open_interest as (
    select * from {{ ref('int_open_interest_hourly') }}
),

held_hours as (
    select
        exchange,
        symbol,
        date_trunc('day', as_of) as start_at,
        sum(case when is_fresh then 1 else 0 end) as observed_hours,
        sum(case when is_fresh then 0 else 1 end) as carried_hours
    from instrument_open_interest
    where open_interest_usd is not null and as_of < (select bounds.last_hour_at from bounds)
    group by exchange, symbol, date_trunc('day', as_of)
)

select
    instruments.exchange,
    instruments.symbol,
    instruments.asset,
    days.period_start_date,
    days.start_at,
    days.end_at,
    opened.quantity as open_quantity,
    closed.quantity as close_quantity,
    opened.price as open_price,
    closed.price as close_price,
    opened.open_interest_usd as open_usd,
    closed.open_interest_usd as close_usd,
    opened.open_interest_base as open_base,
    closed.open_interest_base as close_base,
    coalesce(instruments.ends_at <= days.end_at, false) as has_ended,
    coalesce(held_hours.observed_hours, 0) as observed_hours,
    coalesce(held_hours.carried_hours, 0) as carried_hours,
    days.expected_hours
from instruments
cross join days
left join held_hours
    on
        instruments.exchange = held_hours.exchange
        and instruments.symbol = held_hours.symbol
        and days.start_at = held_hours.start_at
left join instrument_open_interest as opened
    on
        instruments.exchange = opened.exchange
        and instruments.symbol = opened.symbol
        and days.start_at = opened.as_of
left join instrument_open_interest as closed
    on
        instruments.exchange = closed.exchange
        and instruments.symbol = closed.symbol
        and days.end_at = closed.as_of
