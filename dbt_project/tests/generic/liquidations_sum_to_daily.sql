{# Liquidations of a week or month are the sums of its days, to the cent. #}
{% test liquidations_sum_to_daily(model) %}
{% set grain = {'weekly': 'week', 'monthly': 'month'}[model.identifier.split('_')[-1]] %}
with liquidations_daily as (
    select * from {{ ref('liquidations_daily') }}
),

sums_of_liquidation_days as (
    select
        cast(date_trunc('{{ grain }}', period_start_date) as date) as period_start_date,
        exchange,
        asset,
        sum(long_usd) as long_usd,
        sum(short_usd) as short_usd,
        sum(total_usd) as total_usd,
        sum(events) as events,
        sum(observed_hours) as observed_hours
    from liquidations_daily
    group by cast(date_trunc('{{ grain }}', period_start_date) as date), exchange, asset
)

select
    sums_of_liquidation_days.period_start_date,
    sums_of_liquidation_days.exchange,
    sums_of_liquidation_days.asset,
    sums_of_liquidation_days.total_usd as sum_of_days_usd,
    rolled_up.total_usd
from sums_of_liquidation_days
full outer join {{ model }} as rolled_up
    on
        sums_of_liquidation_days.period_start_date = rolled_up.period_start_date
        and sums_of_liquidation_days.exchange = rolled_up.exchange
        and sums_of_liquidation_days.asset = rolled_up.asset
where
    sums_of_liquidation_days.long_usd is distinct from rolled_up.long_usd
    or sums_of_liquidation_days.short_usd is distinct from rolled_up.short_usd
    or sums_of_liquidation_days.total_usd is distinct from rolled_up.total_usd
    or sums_of_liquidation_days.events is distinct from rolled_up.events
    or sums_of_liquidation_days.observed_hours is distinct from rolled_up.observed_hours
{% endtest %}
