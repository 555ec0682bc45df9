with settings as (
    select * from {{ ref('int_settings') }}
),

instruments as (
    select * from {{ ref('int_open_interest_daily') }}
),

-- stocks of one moment may be added, stocks of different moments may not
stamps as (
    select
        exchange,
        asset,
        hour_at,
        sum(open_interest_usd) as usd,
        sum(open_interest_base) as base
    from {{ ref('int_open_interest_hourly') }}
    group by exchange, asset, hour_at
),

days as (
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
    from instruments
    group by period_start_date, start_at, end_at, exchange, asset
),

-- both stamps belong to a day, so a midnight belongs to two
ranges as (
    select
        days.period_start_date,
        days.exchange,
        days.asset,
        max(stamps.usd) as high_usd,
        min(stamps.usd) as low_usd,
        {{ usd('avg(stamps.usd)') }} as mean_usd,
        max(stamps.base) as high_base,
        min(stamps.base) as low_base,
        {{ coins('avg(stamps.base)') }} as mean_base,
        count(stamps.usd) as observations
    from days
    left join stamps
        on
            days.exchange = stamps.exchange
            and days.asset = stamps.asset
            and stamps.hour_at between days.start_at and days.end_at
    group by days.period_start_date, days.exchange, days.asset
)

select
    days.period_start_date,
    days.exchange,
    days.asset,
    cast(days.open_usd as decimal(38, 6)) as open_usd,
    cast(ranges.high_usd as decimal(38, 6)) as high_usd,
    cast(ranges.low_usd as decimal(38, 6)) as low_usd,
    cast(days.close_usd as decimal(38, 6)) as close_usd,
    ranges.mean_usd,
    cast(days.open_base as decimal(38, 12)) as open_base,
    cast(ranges.high_base as decimal(38, 12)) as high_base,
    cast(ranges.low_base as decimal(38, 12)) as low_base,
    cast(days.close_base as decimal(38, 12)) as close_base,
    ranges.mean_base,
    cast(days.close_usd - days.open_usd as decimal(38, 6)) as change_usd,
    {% for effect in ["price", "position", "listing", "coverage"] %}
        cast(
            case when days.close_usd - days.open_usd is not null then days.{{ effect }}_effect_usd end as decimal(38, 6)
        ) as {{ effect }}_effect_usd,
    {% endfor %}
    cast(ranges.observations as bigint) as observations,
    cast(days.observed_hours as bigint) as observed_hours,
    cast(days.expected_hours as bigint) as expected_hours,
    cast(days.instruments as bigint) as instruments,
    cast(days.observed_hours as double) / days.expected_hours as observed_ratio,
    {{ is_closed('days.period_start_date', 'day', 'settings.as_of') }}
    and days.observed_hours = days.expected_hours
    and days.ends = 2 * days.instruments as is_complete
from days
inner join ranges
    on
        days.period_start_date = ranges.period_start_date
        and days.exchange = ranges.exchange
        and days.asset = ranges.asset
cross join settings
