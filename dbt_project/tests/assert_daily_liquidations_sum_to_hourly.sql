{{ config(meta={'dagster': {'ref': {'name': 'liquidations_daily', 'package': 'market_stress', 'version': none}}}) }}

with instrument_liquidations as (
    select * from {{ ref('int_liquidations_hourly') }}
),

liquidations_daily as (
    select * from {{ ref('liquidations_daily') }}
),

sums_of_hours as (
    select
        cast(hour_at as date) as period_start_date,
        exchange,
        asset,
        sum(long_usd) as long_usd,
        sum(short_usd) as short_usd
    from instrument_liquidations
    group by cast(hour_at as date), exchange, asset
)

select
    sums_of_hours.period_start_date,
    sums_of_hours.exchange,
    sums_of_hours.asset
from sums_of_hours
full outer join liquidations_daily
    on
        sums_of_hours.period_start_date = liquidations_daily.period_start_date
        and sums_of_hours.exchange = liquidations_daily.exchange
        and sums_of_hours.asset = liquidations_daily.asset
where
    sums_of_hours.long_usd is distinct from liquidations_daily.long_usd
    or sums_of_hours.short_usd is distinct from liquidations_daily.short_usd
