{# Liquidations of a week or month are the sums of its days, to the cent. #}
{% test liquidations_sum_to_daily(model) %}
{% set grain = {'weekly': 'week', 'monthly': 'month'}[model.identifier.split('_')[-1]] %}
with periods as (
    select
        cast(date_trunc('{{ grain }}', period_start_date) as date) as period_start_date,
        exchange,
        asset,
        sum(long_usd) as long_usd,
        sum(short_usd) as short_usd,
        sum(total_usd) as total_usd,
        sum(events) as events,
        sum(observed_hours) as observed_hours
    from {{ ref('liquidations_daily') }}
    group by cast(date_trunc('{{ grain }}', period_start_date) as date), exchange, asset
)

select
    periods.period_start_date,
    periods.exchange,
    periods.asset,
    periods.total_usd as sum_of_days_usd,
    rolled_up.total_usd
from periods
full outer join {{ model }} as rolled_up
    on
        periods.period_start_date = rolled_up.period_start_date
        and periods.exchange = rolled_up.exchange
        and periods.asset = rolled_up.asset
where
    periods.long_usd is distinct from rolled_up.long_usd
    or periods.short_usd is distinct from rolled_up.short_usd
    or periods.total_usd is distinct from rolled_up.total_usd
    or periods.events is distinct from rolled_up.events
    or periods.observed_hours is distinct from rolled_up.observed_hours
{% endtest %}
