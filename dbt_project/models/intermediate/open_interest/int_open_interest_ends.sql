with instruments as (
    select * from {{ ref('int_instruments') }}
),

days as (
    select * from {{ ref('int_days') }}
),

instrument_hours as (
    select * from {{ ref('int_instrument_hours') }}
),

instrument_periods as (
    select * from {{ ref('int_instrument_periods') }}
),

instrument_open_interest as (
    select * from {{ ref('int_open_interest_hourly') }}
),

held_hours as (
    select
        instrument_hours.exchange,
        instrument_hours.symbol,
        date_trunc('day', instrument_hours.hour_at) as start_at,
        sum(case when instrument_open_interest.is_fresh then 1 else 0 end) as observed_hours,
        sum(case when instrument_open_interest.is_fresh then 0 else 1 end) as carried_hours
    from instrument_open_interest
    inner join instrument_hours
        on
            instrument_open_interest.exchange = instrument_hours.exchange
            and instrument_open_interest.symbol = instrument_hours.symbol
            and instrument_open_interest.as_of = instrument_hours.hour_at
    where instrument_open_interest.open_interest_usd is not null
    group by instrument_hours.exchange, instrument_hours.symbol, date_trunc('day', instrument_hours.hour_at)
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
    instrument_periods.expected_hours
from instruments
cross join days
inner join instrument_periods
    on
        instruments.exchange = instrument_periods.exchange
        and instruments.symbol = instrument_periods.symbol
        and days.period_start_date = instrument_periods.period_start_date
        and instrument_periods.grain = 'day'
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
