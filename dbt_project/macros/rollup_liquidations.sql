{# A flow: a week or month is the sum of its days. Days that the warehouse doesn't hold count as not observed. #}
{% macro rollup_liquidations(grain) %}
with bounds as (
    select * from {{ ref('int_spine_bounds') }}
),

instrument_periods as (
    select * from {{ ref('int_instrument_periods') }}
),

liquidations_daily as (
    select * from {{ ref('liquidations_daily') }}
),

liquidation_sums as (
    select
        cast(date_trunc('{{ grain }}', period_start_date) as date) as period_start_date,
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
        sum(observed_hours) as complete_hours,
        max(instruments) as instruments
    from liquidations_daily
    group by cast(date_trunc('{{ grain }}', period_start_date) as date), exchange, asset
),

{{ liquidations_tail('liquidation_sums', grain) }}
{% endmacro %}

{# The columns that liquidations have at every grain. #}
{% macro liquidations_tail(sums, grain) %}
{% call rollup_tail(sums, grain) %}
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
    observed_hours < expected_hours or completeness in ('sampled', 'missing') as is_lower_bound,
{% endcall %}
{% endmacro %}
