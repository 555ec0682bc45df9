{# A flow: a week or month is the sum of its days. Days that the warehouse doesn't hold count as not observed. #}
{% macro rollup_liquidations(grain) %}
with daily as (
    select
        *,
        cast(date_trunc('{{ grain }}', period_start_date) as date) as grain_start_date
    from {{ ref('liquidations_daily') }}
),

settings as (
    select * from {{ ref('int_settings') }}
),

periods as (
    select
        grain_start_date as period_start_date,
        exchange,
        asset,
        sum(long_usd) as long_usd,
        sum(short_usd) as short_usd,
        sum(total_usd) as total_usd,
        sum(events) as events,
        max(largest_usd) as largest_usd,
        max(worst_hour_usd) as worst_hour_usd,
        {{ worst_completeness('completeness') }} as completeness,
        sum(observed_hours) as observed_hours,
        sum(expected_hours) as held_hours,
        max(instruments) as instruments
    from daily
    group by grain_start_date, exchange, asset
),

passed as (
    select
        periods.*,
        periods.instruments
        * {{ hours_passed('periods.period_start_date', grain, 'settings.as_of') }} as expected_hours,
        {{ is_closed('periods.period_start_date', grain, 'settings.as_of') }} as is_closed
    from periods
    cross join settings
)

select
    period_start_date,
    exchange,
    asset,
    cast(long_usd as decimal(38, 6)) as long_usd,
    cast(short_usd as decimal(38, 6)) as short_usd,
    cast(total_usd as decimal(38, 6)) as total_usd,
    cast(events as bigint) as events,
    cast(largest_usd as decimal(38, 6)) as largest_usd,
    cast(worst_hour_usd as decimal(38, 6)) as worst_hour_usd,
    case when held_hours = expected_hours then completeness else 'missing' end as completeness,
    cast(observed_hours as bigint) as observed_hours,
    cast(expected_hours as bigint) as expected_hours,
    cast(instruments as bigint) as instruments,
    cast(observed_hours as double) / expected_hours as observed_ratio,
    is_closed and observed_hours = expected_hours as is_complete
from passed
{% endmacro %}
