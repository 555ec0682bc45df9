with bounds as (
    select * from {{ ref('int_spine_bounds') }}
),

instrument_days as (
    select * from {{ ref('int_open_interest_daily') }}
),

instrument_open_interest as (
    select * from {{ ref('int_open_interest_hourly') }}
),

-- stocks of one moment may be added, stocks of different moments may not
asset_stamps as (
    select
        exchange,
        asset,
        as_of,
        sum(open_interest_usd) as usd,
        sum(open_interest_base) as base
    from instrument_open_interest
    group by exchange, asset, as_of
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
        count(open_usd) + count(close_usd) as ends,
        sum(observed_hours) as observed_hours,
        sum(expected_hours) as expected_hours
    from instrument_days
    group by period_start_date, start_at, end_at, exchange, asset
),

-- both stamps belong to a day, so a midnight belongs to two
day_ranges as (
    select
        asset_days.period_start_date,
        asset_days.exchange,
        asset_days.asset,
        max(asset_stamps.usd) as high_usd,
        min(asset_stamps.usd) as low_usd,
        {{ usd('avg(asset_stamps.usd)') }} as mean_usd,
        max(asset_stamps.base) as high_base,
        min(asset_stamps.base) as low_base,
        {{ coins('avg(asset_stamps.base)') }} as mean_base,
        count(asset_stamps.usd) as observations
    from asset_days
    left join asset_stamps
        on
            asset_days.exchange = asset_stamps.exchange
            and asset_days.asset = asset_stamps.asset
            and asset_stamps.as_of between asset_days.start_at and asset_days.end_at
    group by asset_days.period_start_date, asset_days.exchange, asset_days.asset
)

select
    asset_days.period_start_date,
    asset_days.exchange,
    asset_days.asset,
    cast(asset_days.open_usd as decimal(38, 6)) as open_usd,
    cast(day_ranges.high_usd as decimal(38, 6)) as high_usd,
    cast(day_ranges.low_usd as decimal(38, 6)) as low_usd,
    cast(asset_days.close_usd as decimal(38, 6)) as close_usd,
    day_ranges.mean_usd,
    cast(asset_days.open_base as decimal(38, 12)) as open_base,
    cast(day_ranges.high_base as decimal(38, 12)) as high_base,
    cast(day_ranges.low_base as decimal(38, 12)) as low_base,
    cast(asset_days.close_base as decimal(38, 12)) as close_base,
    day_ranges.mean_base,
    cast(asset_days.close_usd - asset_days.open_usd as decimal(38, 6)) as change_usd,
    {% for effect in ["price", "position", "listing", "coverage"] %}
        cast(
            case
                when asset_days.close_usd - asset_days.open_usd is not null then asset_days.{{ effect }}_effect_usd
            end as decimal(38, 6)
        ) as {{ effect }}_effect_usd,
    {% endfor %}
    cast(day_ranges.observations as bigint) as observations,
    cast(asset_days.observed_hours as bigint) as observed_hours,
    cast(asset_days.expected_hours as bigint) as expected_hours,
    cast(asset_days.instruments as bigint) as instruments,
    cast(asset_days.observed_hours as double) / asset_days.expected_hours as observed_ratio,
    {{ is_closed('asset_days.period_start_date', 'day', 'bounds.as_of') }}
    and asset_days.observed_hours = asset_days.expected_hours
    and asset_days.ends = 2 * asset_days.instruments as is_complete
from asset_days
inner join day_ranges
    on
        asset_days.period_start_date = day_ranges.period_start_date
        and asset_days.exchange = day_ranges.exchange
        and asset_days.asset = day_ranges.asset
cross join bounds
