with bounds as (
    select * from {{ ref('int_spine_bounds') }}
),

liquidations_hourly as (
    select * from {{ ref('liquidations_hourly') }}
),

liquidation_days as (
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
        sum(observed_instruments) as observed_hours,
        sum(instruments) as held_hours,
        sum(observed_instruments) as complete_hours,
        max(instruments) as instruments
    from liquidations_hourly
    group by cast(hour_at as date), exchange, asset
),

{{ liquidations_tail('liquidation_days', 'day') }}
