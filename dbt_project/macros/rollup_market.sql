{#
    Flows and effects are sums of days, open interest is the last day's; prices, which don't add up, are measured between
    the period's own stamps. Days that the warehouse doesn't hold count as not observed.
#}
{% macro rollup_market(grain) %}
with bounds as (
    select * from {{ ref('int_spine_bounds') }}
),

instrument_periods as (
    select * from {{ ref('int_instrument_periods') }}
),

period_prices as (
    select * from {{ ref('int_market_periods') }}
),

market_daily as (
    select * from {{ ref('market_daily') }}
),

market_days as (
    select
        market_daily.*,
        cast(date_trunc('{{ grain }}', market_daily.period_start_date) as date) as grain_start_date,
        {{ period_end_at('market_daily.period_start_date', 'day') }}
        >= {{ last_stamp_at("date_trunc('" ~ grain ~ "', market_daily.period_start_date)", grain, 'bounds') }}
            as is_last_day
    from market_daily
    cross join bounds
),

market_sums as (
    select
        grain_start_date as period_start_date,
        asset,
        {% for flow in ["long_usd", "short_usd", "total_usd", "change_usd"] -%}
            sum({{ flow }}) as {{ flow }},
        {% endfor -%}
        {% for effect in ["price", "position", "listing", "coverage"] -%}
            sum({{ effect }}_effect_usd) as {{ effect }}_effect_usd,
        {% endfor -%}
        max(case when is_last_day then open_interest_usd end) as open_interest_usd,
        max(case when is_last_day then open_interest_base end) as open_interest_base,
        array_sort(array_distinct(flatten(array_agg(exchanges)))) as exchanges,
        {{ worst_completeness('completeness') }} as completeness,
        bool_or(is_lower_bound) as is_lower_bound,
        max(case when is_last_day then open_interest_lacking end) as open_interest_lacking,
        coalesce(bool_or(is_last_day and not open_interest_is_lower_bound), false) as is_open_interest_whole,
        sum(open_interest_observed_hours) as open_interest_observed_hours,
        sum(observed_hours) as observed_hours,
        sum(expected_hours) as held_hours,
        max(instruments) as instruments,
        sum(case when is_complete then expected_hours else 0 end) as complete_hours
    from market_days
    group by grain_start_date, asset
),

market_sums_and_prices as (
    select
        market_sums.*,
        period_prices.price_open,
        period_prices.price_close,
        period_prices.return_ratio,
        period_prices.realised_volatility,
        period_prices.funding_rate_annualised,
        period_prices.funding_weighting,
        period_prices.full_reporting_ratio
    from market_sums
    left join period_prices
        on
            market_sums.period_start_date = period_prices.period_start_date
            and market_sums.asset = period_prices.asset
            and period_prices.grain = '{{ grain }}'
),

{% call rollup_tail('market_sums_and_prices', grain, watched=2, by="asset") %}
    period_start_date,
    asset,
    {% for figure in ["long_usd", "short_usd", "total_usd", "open_interest_usd"] -%}
        cast({{ figure }} as decimal(38, 6)) as {{ figure }},
    {% endfor -%}
    cast(open_interest_base as decimal(38, 12)) as open_interest_base,
    cast(change_usd as decimal(38, 6)) as change_usd,
    {% for effect in ["price", "position", "listing", "coverage"] -%}
        cast({{ effect }}_effect_usd as decimal(38, 6)) as {{ effect }}_effect_usd,
    {% endfor -%}
    price_open,
    price_close,
    return_ratio,
    realised_volatility,
    funding_rate_annualised,
    funding_weighting,
    exchanges,
    case when held_hours = expected_hours then completeness else 'missing' end as completeness,
    full_reporting_ratio,
    is_lower_bound or held_hours < expected_hours as is_lower_bound,
    cast(open_interest_observed_hours as bigint) as open_interest_observed_hours,
    2.0 * open_interest_observed_hours / expected_hours as open_interest_observed_ratio,
    coalesce(open_interest_lacking, []) as open_interest_lacking,
    not is_open_interest_whole as open_interest_is_lower_bound,
{% endcall %}
{% endmacro %}
