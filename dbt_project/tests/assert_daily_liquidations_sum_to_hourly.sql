{{ config(meta={'dagster': {'ref': {'name': 'liquidations_daily', 'package': 'market_stress', 'version': none}}}) }}

with instrument_liquidations as (
    select * from {{ ref('int_liquidations_hourly') }}
),

liquidations_daily as (
    select * from {{ ref('liquidations_daily') }}
),

coarse_daily as (
    select * from {{ ref('int_liquidations_coarse_daily') }}
),

sums_of_instrument_hours as (
    select
        cast(hour_at as date) as period_start_date,
        exchange,
        asset,
        sum(long_usd) as long_usd,
        sum(short_usd) as short_usd,
        count(*) filter (where is_observed) as observed_hours
    from instrument_liquidations
    group by cast(hour_at as date), exchange, asset
)

select
    sums_of_instrument_hours.period_start_date,
    sums_of_instrument_hours.exchange,
    sums_of_instrument_hours.asset
from sums_of_instrument_hours
full outer join liquidations_daily
    on
        sums_of_instrument_hours.period_start_date = liquidations_daily.period_start_date
        and sums_of_instrument_hours.exchange = liquidations_daily.exchange
        and sums_of_instrument_hours.asset = liquidations_daily.asset
left join coarse_daily
    on
        sums_of_instrument_hours.period_start_date = coarse_daily.period_start_date
        and sums_of_instrument_hours.exchange = coarse_daily.exchange
        and sums_of_instrument_hours.asset = coarse_daily.asset
        and sums_of_instrument_hours.observed_hours < coarse_daily.covered_hours
where
    case when coarse_daily.asset is null then sums_of_instrument_hours.long_usd else coarse_daily.long_usd end
    is distinct from liquidations_daily.long_usd
    or case when coarse_daily.asset is null then sums_of_instrument_hours.short_usd else coarse_daily.short_usd end
    is distinct from liquidations_daily.short_usd
