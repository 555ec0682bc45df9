with instruments as (
    select * from {{ ref('int_instruments') }}
),

days as (
    select * from {{ ref('int_days') }}
),

bounds as (
    select * from {{ ref('int_spine_bounds') }}
),

instrument_periods as (
    select * from {{ ref('int_instrument_periods') }}
),

instrument_open_interest as (
    select * from {{ ref('int_open_interest_hourly') }}
),

fresh_hours as (
    select
        exchange,
        symbol,
        date_trunc('day', as_of) as start_at,
        count(*) as observed_hours
    from instrument_open_interest
    where is_fresh and as_of < (select bounds.last_hour_at from bounds)
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
    coalesce(fresh_hours.observed_hours, 0) as observed_hours,
    instrument_periods.expected_hours
from instruments
cross join days
inner join instrument_periods
    on
        instruments.exchange = instrument_periods.exchange
        and instruments.symbol = instrument_periods.symbol
        and days.period_start_date = instrument_periods.period_start_date
        and instrument_periods.grain = 'day'
left join fresh_hours
    on
        instruments.exchange = fresh_hours.exchange
        and instruments.symbol = fresh_hours.symbol
        and days.start_at = fresh_hours.start_at
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
