{{ config(meta={'dagster': {'ref': {'name': 'market_hourly', 'package': 'market_stress', 'version': none}}}) }}
-- As of midnight, the trailing 24 h are the day before and the trailing 168 h the week before, to the cent, and open
-- interest is that day's close. Totals of more than an hour count in days and weeks alone.
with market_hourly as (
    select * from {{ ref('market_hourly') }}
),

market_daily as (
    select * from {{ ref('market_daily') }}
),

market_weekly as (
    select * from {{ ref('market_weekly') }}
),

coarse_daily as (
    select * from {{ ref('int_liquidations_coarse_daily') }}
),

midnight_rows as (
    select
        *,
        cast(as_of - interval 24 hour as date) as day_date,
        cast(as_of - interval 168 hour as date) as week_date
    from market_hourly
    where as_of = date_trunc('day', as_of)
)

select
    midnight_rows.as_of,
    midnight_rows.asset
from midnight_rows
inner join market_daily
    on midnight_rows.asset = market_daily.asset and midnight_rows.day_date = market_daily.period_start_date
left join market_weekly
    on midnight_rows.asset = market_weekly.asset and midnight_rows.week_date = market_weekly.period_start_date
where
    not exists (
        select 1 from coarse_daily
        where
            midnight_rows.asset in (coarse_daily.asset, 'ALL')
            and coarse_daily.period_start_date between midnight_rows.week_date and midnight_rows.day_date
    )
    and (
        midnight_rows.long_usd_24h is distinct from market_daily.long_usd
        or midnight_rows.short_usd_24h is distinct from market_daily.short_usd
        or midnight_rows.open_interest_usd is distinct from market_daily.open_interest_usd
        or midnight_rows.completeness_24h <> market_daily.completeness
        or midnight_rows.is_lower_bound_24h <> market_daily.is_lower_bound
        or midnight_rows.full_reporting_ratio <> market_daily.full_reporting_ratio
        or market_weekly.asset is not null and midnight_rows.long_usd_7d is distinct from market_weekly.long_usd
        or market_weekly.asset is not null and midnight_rows.short_usd_7d is distinct from market_weekly.short_usd
        or market_weekly.asset is not null and midnight_rows.is_lower_bound_7d <> market_weekly.is_lower_bound
    )
