{{ config(meta={'dagster': {'ref': {'name': 'liquidations_monthly', 'package': 'market_stress', 'version': none}}}) }}

with months as (
    select
        cast(date_trunc('month', period_start_date) as date) as period_start_date,
        exchange,
        asset,
        sum(long_usd) as long_usd,
        sum(short_usd) as short_usd,
        sum(total_usd) as total_usd,
        sum(events) as events,
        sum(observed_hours) as observed_hours
    from {{ ref('liquidations_daily') }}
    group by cast(date_trunc('month', period_start_date) as date), exchange, asset
)

select
    months.period_start_date,
    months.exchange,
    months.asset,
    months.total_usd as sum_of_days_usd,
    rolled_up.total_usd
from months
full outer join {{ ref('liquidations_monthly') }} as rolled_up
    on
        months.period_start_date = rolled_up.period_start_date
        and months.exchange = rolled_up.exchange
        and months.asset = rolled_up.asset
where
    months.long_usd is distinct from rolled_up.long_usd
    or months.short_usd is distinct from rolled_up.short_usd
    or months.total_usd is distinct from rolled_up.total_usd
    or months.events is distinct from rolled_up.events
    or months.observed_hours is distinct from rolled_up.observed_hours
