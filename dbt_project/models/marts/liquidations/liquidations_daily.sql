with bounds as (
    select * from {{ ref('int_spine_bounds') }}
),

instrument_periods as (
    select * from {{ ref('int_instrument_periods') }}
),

liquidations_hourly as (
    select * from {{ ref('liquidations_hourly') }}
),

coarse_daily as (
    select * from {{ ref('int_liquidations_coarse_daily') }}
),

sums_of_hours as (
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
        max(instruments) as instruments
    from liquidations_hourly
    group by cast(hour_at as date), exchange, asset
),

-- totals of more than an hour stand for a whole day, where they cover more of it than its hours do
liquidation_days as (
    select
        sums_of_hours.period_start_date,
        sums_of_hours.exchange,
        sums_of_hours.asset,
        sums_of_hours.held_hours,
        sums_of_hours.instruments,
        {% for figure in ["long_usd", "short_usd", "completeness"] -%}
            case when coarse_daily.asset is null then sums_of_hours.{{ figure }} else coarse_daily.{{ figure }} end
                as {{ figure }},
        {% endfor -%}
        case
            when coarse_daily.asset is null then sums_of_hours.total_usd
            else coarse_daily.long_usd + coarse_daily.short_usd
        end as total_usd,
        {% for figure in ["events", "largest_usd", "worst_hour_usd"] -%}
            case when coarse_daily.asset is null then sums_of_hours.{{ figure }} end as {{ figure }},
        {% endfor -%}
        coalesce(coarse_daily.covered_hours, sums_of_hours.observed_hours) as observed_hours,
        coalesce(coarse_daily.covered_hours, sums_of_hours.observed_hours) as complete_hours
    from sums_of_hours
    left join coarse_daily
        on
            sums_of_hours.period_start_date = coarse_daily.period_start_date
            and sums_of_hours.exchange = coarse_daily.exchange
            and sums_of_hours.asset = coarse_daily.asset
            and sums_of_hours.observed_hours < coarse_daily.covered_hours
),

{{ liquidations_tail('liquidation_days', 'day') }}
