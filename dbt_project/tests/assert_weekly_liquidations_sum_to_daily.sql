{{ config(meta={'dagster': {'ref': {'name': 'liquidations_weekly', 'package': 'market_stress', 'version': none}}}) }}

with weeks as (
    select
        cast(date_trunc('week', period_start_date) as date) as period_start_date,
        exchange,
        asset,
        sum(long_usd) as long_usd,
        sum(short_usd) as short_usd,
        sum(total_usd) as total_usd,
        sum(events) as events,
        sum(observed_hours) as observed_hours
    from {{ ref('liquidations_daily') }}
    group by cast(date_trunc('week', period_start_date) as date), exchange, asset
)

select
    weeks.period_start_date,
    weeks.exchange,
    weeks.asset,
    weeks.total_usd as sum_of_days_usd,
    rolled_up.total_usd
from weeks
full outer join {{ ref('liquidations_weekly') }} as rolled_up
    on
        weeks.period_start_date = rolled_up.period_start_date
        and weeks.exchange = rolled_up.exchange
        and weeks.asset = rolled_up.asset
where
    weeks.long_usd is distinct from rolled_up.long_usd
    or weeks.short_usd is distinct from rolled_up.short_usd
    or weeks.total_usd is distinct from rolled_up.total_usd
    or weeks.events is distinct from rolled_up.events
    or weeks.observed_hours is distinct from rolled_up.observed_hours
