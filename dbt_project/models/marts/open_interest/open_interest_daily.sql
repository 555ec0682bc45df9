with bounds as (
    select * from {{ ref('int_spine_bounds') }}
),

instrument_days as (
    select * from {{ ref('int_open_interest_daily') }}
),

asset_moments as (
    select * from {{ ref('int_open_interest_moments') }}
),

asset_days as (
    select
        period_start_date,
        start_at,
        end_at,
        exchange,
        asset,
        sum(open_usd) as open_usd,
        sum(close_usd) as close_usd,
        sum(open_base) as open_base,
        sum(close_base) as close_base,
        sum(price_effect_usd) as price_effect_usd,
        sum(position_effect_usd) as position_effect_usd,
        sum(listing_effect_usd) as listing_effect_usd,
        sum(coverage_effect_usd) as coverage_effect_usd,
        count(*) as instruments,
        sum(case when open_usd is null then 1 else 0 end)
        + sum(case when close_usd is null and not has_ended then 1 else 0 end) as ends_lacking,
        sum(observed_hours) as observed_hours,
        sum(carried_hours) as carried_hours,
        sum(expected_hours) as expected_hours
    from instrument_days
    group by period_start_date, start_at, end_at, exchange, asset
),

-- both stamps belong to a day, so a midnight belongs to two
moments_of_days as (
    select
        *,
        date_trunc('day', observed_at) as start_at
    from asset_moments
    union all
    select
        *,
        observed_at - interval 1 day as start_at
    from asset_moments
    where observed_at = date_trunc('day', observed_at)
),

day_ranges as (
    select
        asset_days.period_start_date,
        asset_days.exchange,
        asset_days.asset,
        {% for unit in ["usd", "base"] -%}
            max(moments_of_days.{{ unit }}) as high_{{ unit }},
            min(moments_of_days.{{ unit }}) as low_{{ unit }},
            avg(moments_of_days.{{ unit }}) as mean_{{ unit }},
            count(moments_of_days.{{ unit }}) as observations_{{ unit }},
        {% endfor -%}
        coalesce(bool_or(moments_of_days.is_lower_bound), false) as is_lower_bound,
        coalesce(bool_or(moments_of_days.observed_at = asset_days.start_at), false) as is_open_observed
    from asset_days
    left join moments_of_days
        on
            asset_days.exchange = moments_of_days.exchange
            and asset_days.asset = moments_of_days.asset
            and asset_days.start_at = moments_of_days.start_at
            and asset_days.end_at >= moments_of_days.observed_at
    group by asset_days.period_start_date, asset_days.exchange, asset_days.asset
)

-- an open that was carried over from before the day is a value of the day, though not an observation of it
select
    asset_days.period_start_date,
    asset_days.exchange,
    asset_days.asset,
    {% for unit, type in [("usd", "decimal(38, 6)"), ("base", "decimal(38, 12)")] -%}
        cast(asset_days.open_{{ unit }} as {{ type }}) as open_{{ unit }},
        cast(
            greatest(day_ranges.high_{{ unit }}, asset_days.open_{{ unit }}, asset_days.close_{{ unit }}) as {{ type }}
        ) as high_{{ unit }},
        cast(
            least(day_ranges.low_{{ unit }}, asset_days.open_{{ unit }}, asset_days.close_{{ unit }}) as {{ type }}
        ) as low_{{ unit }},
        cast(asset_days.close_{{ unit }} as {{ type }}) as close_{{ unit }},
        {% if unit == "usd" %}{{ usd('day_ranges.mean_usd') }}{% else %}{{ coins('day_ranges.mean_base') }}{% endif %}
            as mean_{{ unit }},
    {% endfor -%}
    cast(asset_days.close_usd - asset_days.open_usd as decimal(38, 6)) as change_usd,
    {% for effect in ["price", "position", "listing", "coverage"] %}
        cast(
            case
                when asset_days.close_usd - asset_days.open_usd is not null then asset_days.{{ effect }}_effect_usd
            end as decimal(38, 6)
        ) as {{ effect }}_effect_usd,
    {% endfor %}
    cast(day_ranges.observations_usd as bigint) as observations,
    cast(day_ranges.observations_base as bigint) as observations_base,
    day_ranges.is_open_observed,
    cast(asset_days.carried_hours as bigint) as carried_hours,
    cast(asset_days.observed_hours as bigint) as observed_hours,
    cast(asset_days.expected_hours as bigint) as expected_hours,
    cast(asset_days.instruments as bigint) as instruments,
    cast(asset_days.observed_hours as double) / asset_days.expected_hours as observed_ratio,
    {{ is_closed('asset_days.period_start_date', 'day', 'bounds.as_of') }}
    and asset_days.observed_hours = asset_days.expected_hours
    and asset_days.ends_lacking = 0 as is_complete,
    asset_days.ends_lacking > 0 or day_ranges.is_lower_bound as is_lower_bound
from asset_days
inner join day_ranges
    on
        asset_days.period_start_date = day_ranges.period_start_date
        and asset_days.exchange = day_ranges.exchange
        and asset_days.asset = day_ranges.asset
cross join bounds
