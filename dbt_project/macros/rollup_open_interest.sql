{#
    A stock: a week or month opens with its first day, closes with its last, and is never summed. Its effects are the
    sums of its days' effects; what they leave unexplained, since days are missing, is coverage. The mean is over all
    observations from start to end: a midnight between two days that are held is in both their means and counts once here.
#}
{% macro rollup_open_interest(grain) %}
with bounds as (
    select * from {{ ref('int_spine_bounds') }}
),

instrument_periods as (
    select * from {{ ref('int_instrument_periods') }}
),

open_interest_daily as (
    select * from {{ ref('open_interest_daily') }}
),

open_interest_days as (
    select
        open_interest_daily.*,
        open_interest_daily.observations as observations_usd,
        cast(date_trunc('{{ grain }}', open_interest_daily.period_start_date) as date) as grain_start_date,
        open_interest_daily.period_start_date
        = cast(date_trunc('{{ grain }}', open_interest_daily.period_start_date) as date) as is_first_day,
        {{ period_end_at('open_interest_daily.period_start_date', 'day') }}
        >= {{ last_stamp_at("date_trunc('" ~ grain ~ "', open_interest_daily.period_start_date)", grain, 'bounds') }}
            as is_last_day,
        -- an open that was observed is also the last observation of the day before, if that day is held
        open_interest_daily.is_open_observed and lag(open_interest_daily.period_start_date) over (
            partition by
                open_interest_daily.exchange,
                open_interest_daily.asset,
                date_trunc('{{ grain }}', open_interest_daily.period_start_date)
            order by open_interest_daily.period_start_date
        ) = open_interest_daily.period_start_date - 1 as is_counted_twice
    from open_interest_daily
    cross join bounds
),

open_interest_sums as (
    select
        grain_start_date as period_start_date,
        exchange,
        asset,
        {% for unit in ["usd", "base"] %}
            max(case when is_first_day then open_{{ unit }} end) as open_{{ unit }},
            max(high_{{ unit }}) as high_{{ unit }},
            min(low_{{ unit }}) as low_{{ unit }},
            max(case when is_last_day then close_{{ unit }} end) as close_{{ unit }},
            (
                sum(mean_{{ unit }} * observations_{{ unit }})
                - coalesce(sum(case when is_counted_twice then open_{{ unit }} end), 0)
            ) / nullif(
                sum(observations_{{ unit }}) - count(case when is_counted_twice then open_{{ unit }} end), 0
            ) as mean_{{ unit }},
            sum(observations_{{ unit }}) - count(case when is_counted_twice then open_{{ unit }} end)
                as observations_{{ unit }},
        {% endfor %}
        max(case when is_last_day then close_usd end) - max(case when is_first_day then open_usd end) as change_usd,
        coalesce(sum(price_effect_usd), 0) as price_effect_usd,
        coalesce(sum(position_effect_usd), 0) as position_effect_usd,
        coalesce(sum(listing_effect_usd), 0) as listing_effect_usd,
        coalesce(bool_or(is_first_day and is_open_observed), false) as is_open_observed,
        sum(carried_hours) as carried_hours,
        sum(observed_hours) as observed_hours,
        max(instruments) as instruments,
        sum(case when is_complete then expected_hours else 0 end) as complete_hours,
        bool_or(is_lower_bound) as is_lower_bound
    from open_interest_days
    group by grain_start_date, exchange, asset
),

{% call rollup_tail('open_interest_sums', grain) %}
    period_start_date,
    exchange,
    asset,
    {% for figure in ["open", "high", "low", "close"] %}
        cast({{ figure }}_usd as decimal(38, 6)) as {{ figure }}_usd,
    {% endfor %}
    {{ usd('mean_usd') }} as mean_usd,
    {% for figure in ["open", "high", "low", "close"] %}
        cast({{ figure }}_base as decimal(38, 12)) as {{ figure }}_base,
    {% endfor %}
    {{ coins('mean_base') }} as mean_base,
    cast(change_usd as decimal(38, 6)) as change_usd,
    {% for effect in ["price", "position", "listing"] %}
        cast(case when change_usd is not null then {{ effect }}_effect_usd end as decimal(38, 6))
            as {{ effect }}_effect_usd,
    {% endfor %}
    cast(change_usd - price_effect_usd - position_effect_usd - listing_effect_usd as decimal(38, 6))
        as coverage_effect_usd,
    cast(observations_usd as bigint) as observations,
    cast(observations_base as bigint) as observations_base,
    is_open_observed,
    cast(carried_hours as bigint) as carried_hours,
    is_lower_bound,
{% endcall %}
{% endmacro %}
