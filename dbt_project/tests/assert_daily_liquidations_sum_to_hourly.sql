{{ config(meta={'dagster': {'ref': {'name': 'liquidations_daily', 'package': 'market_stress', 'version': none}}}) }}

with hours as (
    select
        cast(hour_at as date) as period_start_date,
        exchange,
        asset,
        sum(long_usd) as long_usd,
        sum(short_usd) as short_usd
    from {{ ref('int_liquidations_hourly') }}
    group by cast(hour_at as date), exchange, asset
)

select
    hours.period_start_date,
    hours.exchange,
    hours.asset
from hours
full outer join {{ ref('liquidations_daily') }} as daily
    on
        hours.period_start_date = daily.period_start_date
        and hours.exchange = daily.exchange
        and hours.asset = daily.asset
where hours.long_usd is distinct from daily.long_usd or hours.short_usd is distinct from daily.short_usd
