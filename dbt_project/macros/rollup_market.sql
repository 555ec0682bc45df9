{#
    Flows and effects are sums of days, open interest is the last day's; prices, which don't add up, are measured between
    the period's own stamps. Days that the warehouse doesn't hold count as not observed.
#}
{% macro rollup_market(grain) %}
with settings as (
    select * from {{ ref('int_settings') }}
),

prices as (
    select * from {{ ref('int_market_periods') }}
    where grain = '{{ grain }}'
),

daily as (
    select
        daily.*,
        cast(date_trunc('{{ grain }}', daily.period_start_date) as date) as grain_start_date,
        {{ period_end_at('daily.period_start_date', 'day') }} >= least(
            {{ period_end_at("date_trunc('" ~ grain ~ "', daily.period_start_date)", grain) }}, settings.as_of
        ) as is_last_day
    from {{ ref('market_daily') }} as daily
    cross join settings
),

periods as (
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
        sum(observed_hours) as observed_hours,
        sum(expected_hours) as held_hours,
        max(instruments) as instruments,
        2 * sum(case when is_complete then 24 * instruments else 0 end) as complete_hours
    from daily
    group by grain_start_date, asset
),

passed as (
    select
        periods.*,
        2 * periods.instruments * {{ hours_passed('periods.period_start_date', grain, 'settings.as_of') }}
            as expected_hours,
        {{ is_closed('periods.period_start_date', grain, 'settings.as_of') }} as is_closed
    from periods
    cross join settings
)

select
    passed.period_start_date,
    passed.asset,
    {% for figure in ["long_usd", "short_usd", "total_usd", "open_interest_usd"] -%}
        cast(passed.{{ figure }} as decimal(38, 6)) as {{ figure }},
    {% endfor -%}
    cast(passed.open_interest_base as decimal(38, 12)) as open_interest_base,
    cast(passed.change_usd as decimal(38, 6)) as change_usd,
    {% for effect in ["price", "position", "listing", "coverage"] -%}
        cast(passed.{{ effect }}_effect_usd as decimal(38, 6)) as {{ effect }}_effect_usd,
    {% endfor -%}
    prices.price_open,
    prices.price_close,
    prices.return_ratio,
    prices.realised_volatility,
    prices.funding_rate_annualised,
    passed.exchanges,
    case when passed.held_hours = passed.expected_hours then passed.completeness else 'missing' end as completeness,
    cast(passed.observed_hours as bigint) as observed_hours,
    cast(passed.expected_hours as bigint) as expected_hours,
    cast(passed.instruments as bigint) as instruments,
    cast(passed.observed_hours as double) / passed.expected_hours as observed_ratio,
    passed.is_closed and passed.complete_hours = passed.expected_hours as is_complete
from passed
left join prices
    on passed.period_start_date = prices.period_start_date and passed.asset = prices.asset
{% endmacro %}
