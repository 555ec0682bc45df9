{{ config(meta={'dagster': {'ref': {'name': 'market_hourly', 'package': 'market_stress', 'version': none}}}) }}
-- As of midnight, the trailing 24 h are the day before and the trailing 168 h the week before, to the cent, and open
-- interest is that day's close.
with hourly as (
    select
        *,
        cast(as_of - interval 24 hour as date) as day_date,
        cast(as_of - interval 168 hour as date) as week_date
    from {{ ref('market_hourly') }}
    where as_of = date_trunc('day', as_of)
)

select
    hourly.as_of,
    hourly.asset
from hourly
inner join {{ ref('market_daily') }} as daily
    on hourly.asset = daily.asset and hourly.day_date = daily.period_start_date
left join {{ ref('market_weekly') }} as weekly
    on hourly.asset = weekly.asset and hourly.week_date = weekly.period_start_date
where
    hourly.long_usd_24h is distinct from daily.long_usd
    or hourly.short_usd_24h is distinct from daily.short_usd
    or hourly.open_interest_usd is distinct from daily.open_interest_usd
    or hourly.completeness_24h <> daily.completeness
    or weekly.asset is not null and hourly.long_usd_7d is distinct from weekly.long_usd
    or weekly.asset is not null and hourly.short_usd_7d is distinct from weekly.short_usd
