with instruments as (
    select
        exchange,
        asset,
        count(*) as instruments
    from {{ ref('int_instruments') }}
    group by exchange, asset
),

settings as (
    select * from {{ ref('int_settings') }}
),

hourly as (
    select
        exchange,
        asset,
        hour_at,
        sum(long_usd) as long_usd,
        sum(short_usd) as short_usd,
        sum(long_usd + short_usd) as total_usd,
        sum(events) as events,
        max(largest_usd) as largest_usd,
        {{ worst_completeness('completeness') }} as completeness,
        count(*) as spine_hours,
        sum(case when is_observed then 1 else 0 end) as observed_hours
    from {{ ref('int_liquidations_hourly') }}
    group by exchange, asset, hour_at
),

days as (
    select
        cast(hour_at as date) as period_start_date,
        exchange,
        asset,
        sum(long_usd) as long_usd,
        sum(short_usd) as short_usd,
        sum(total_usd) as total_usd,
        sum(events) as events,
        max(largest_usd) as largest_usd,
        max(total_usd) as worst_hour_usd,
        {{ worst_completeness('completeness') }} as completeness,
        sum(spine_hours) as spine_hours,
        sum(observed_hours) as observed_hours
    from hourly
    group by cast(hour_at as date), exchange, asset
),

passed as (
    select
        days.*,
        instruments.instruments,
        instruments.instruments
        * {{ hours_passed('days.period_start_date', 'day', 'settings.as_of') }} as expected_hours,
        {{ is_closed('days.period_start_date', 'day', 'settings.as_of') }} as is_closed
    from days
    inner join instruments
        on days.exchange = instruments.exchange and days.asset = instruments.asset
    cross join settings
)

select
    period_start_date,
    exchange,
    asset,
    cast(long_usd as decimal(38, 6)) as long_usd,
    cast(short_usd as decimal(38, 6)) as short_usd,
    cast(total_usd as decimal(38, 6)) as total_usd,
    cast(events as bigint) as events,
    cast(largest_usd as decimal(38, 6)) as largest_usd,
    cast(worst_hour_usd as decimal(38, 6)) as worst_hour_usd,
    case when spine_hours = expected_hours then completeness else 'missing' end as completeness,
    cast(observed_hours as bigint) as observed_hours,
    cast(expected_hours as bigint) as expected_hours,
    cast(instruments as bigint) as instruments,
    cast(observed_hours as double) / expected_hours as observed_ratio,
    is_closed and observed_hours = expected_hours as is_complete
from passed
