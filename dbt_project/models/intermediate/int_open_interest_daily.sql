with instruments as (
    select * from {{ ref('int_instruments') }}
),

settings as (
    select * from {{ ref('int_settings') }}
),

stamps as (
    select
        *,
        observed_at > hour_at - interval 1 hour and open_interest_usd is not null as is_fresh
    from {{ ref('int_open_interest_hourly') }}
),

asked as (
    select
        exchange,
        symbol,
        hour_at + interval 1 hour as hour_at,
        state
    from {{ ref('int_coverage_hourly') }}
    where dataset = 'open_interest'
),

answered as (
    select distinct
        exchange,
        hour_at
    from stamps
    where is_fresh
),

sightings as (
    select
        exchange,
        symbol,
        observed_at as first_at,
        observed_at as last_at
    from stamps
    union all
    select
        exchange,
        symbol,
        hour_at - interval 1 hour as first_at,
        hour_at as last_at
    from {{ ref('int_prices_hourly') }}
),

seen as (
    select
        exchange,
        symbol,
        min(first_at) as first_seen_at,
        max(last_at) as last_seen_at
    from sightings
    group by exchange, symbol
),

unlisted as (
    select
        exchange,
        symbol,
        max(end_at) as unlisted_at
    from {{ ref('stg_coverage') }}
    where dataset = 'instruments' and state = 'unavailable'
    group by exchange, symbol
),

midnights as (
    select distinct date_trunc('day', hour_at) as start_at
    from {{ ref('int_hours') }}
),

-- the spine may end before the clock: then an open day ends with the spine, and a day that is over has no close
days as (
    select
        midnights.start_at,
        case
            when midnights.start_at + interval 1 day <= settings.as_of then midnights.start_at + interval 1 day
            else settings.last_hour_at
        end as end_at,
        {{ hours_passed('midnights.start_at', 'day', 'settings.as_of') }} as passed_hours
    from midnights
    cross join settings
),

observed as (
    select
        exchange,
        symbol,
        date_trunc('day', hour_at) as start_at,
        count(*) as observed_hours
    from stamps
    where is_fresh and hour_at < (select settings.last_hour_at from settings)
    group by exchange, symbol, date_trunc('day', hour_at)
),

ends as (
    select
        instruments.exchange,
        instruments.symbol,
        instruments.asset,
        days.start_at,
        days.end_at,
        days.passed_hours,
        coalesce(observed.observed_hours, 0) as observed_hours,
        opened.quantity as open_quantity,
        opened.price as open_price,
        opened.open_interest_usd as open_usd,
        opened.open_interest_base as open_base,
        closed.quantity as close_quantity,
        closed.price as close_price,
        closed.open_interest_usd as close_usd,
        closed.open_interest_base as close_base
    from instruments
    cross join days
    left join observed
        on
            instruments.exchange = observed.exchange
            and instruments.symbol = observed.symbol
            and days.start_at = observed.start_at
    left join stamps as opened
        on
            instruments.exchange = opened.exchange
            and instruments.symbol = opened.symbol
            and days.start_at = opened.hour_at
    left join stamps as closed
        on
            instruments.exchange = closed.exchange
            and instruments.symbol = closed.symbol
            and days.end_at = closed.hour_at
),

judged as (
    select
        ends.*,
        case
            when ends.open_usd is not null or ends.close_usd is not null
                then coalesce(ends.close_usd, 0) - coalesce(ends.open_usd, 0)
        end as change_usd,
        case
            when ends.open_usd is not null and ends.close_usd is not null then 'split'
            when ends.close_usd is not null
                then case
                    when
                        seen.first_seen_at >= ends.start_at
                        and asked_at_start.state in ('complete', 'unavailable')
                        and answered_at_start.hour_at is not null
                        then 'listing'
                    else 'coverage'
                end
            when ends.open_usd is not null
                then case
                    when
                        seen.last_seen_at <= ends.end_at
                        and (asked_at_end.state = 'complete' or unlisted.unlisted_at > seen.last_seen_at)
                        and answered_at_end.hour_at is not null
                        then 'listing'
                    else 'coverage'
                end
        end as nature
    from ends
    left join seen
        on ends.exchange = seen.exchange and ends.symbol = seen.symbol
    left join unlisted
        on ends.exchange = unlisted.exchange and ends.symbol = unlisted.symbol
    left join asked as asked_at_start
        on
            ends.exchange = asked_at_start.exchange
            and ends.symbol = asked_at_start.symbol
            and ends.start_at = asked_at_start.hour_at
    left join asked as asked_at_end
        on
            ends.exchange = asked_at_end.exchange
            and ends.symbol = asked_at_end.symbol
            and ends.end_at = asked_at_end.hour_at
    left join answered as answered_at_start
        on ends.exchange = answered_at_start.exchange and ends.start_at = answered_at_start.hour_at
    left join answered as answered_at_end
        on ends.exchange = answered_at_end.exchange and ends.end_at = answered_at_end.hour_at
),

-- a quantity of zero has no price, and then no price effect either
price_effects as (
    select
        *,
        case
            when nature = 'split' then coalesce({{ usd('open_quantity * (close_price - open_price)') }}, 0)
            when nature is not null then 0
        end as price_effect_usd
    from judged
),

effects as (
    select
        *,
        case when nature = 'split' then change_usd - price_effect_usd when nature is not null then 0 end
            as position_effect_usd,
        case when nature = 'listing' then change_usd when nature is not null then 0 end as listing_effect_usd,
        case when nature = 'coverage' then change_usd when nature is not null then 0 end as coverage_effect_usd
    from price_effects
)

select
    exchange,
    symbol,
    asset,
    cast(start_at as date) as period_start_date,
    start_at,
    end_at,
    open_quantity,
    close_quantity,
    open_price,
    close_price,
    open_usd,
    close_usd,
    open_base,
    close_base,
    nature,
    cast(change_usd as decimal(38, 6)) as change_usd,
    cast(price_effect_usd as decimal(38, 6)) as price_effect_usd,
    cast(position_effect_usd as decimal(38, 6)) as position_effect_usd,
    cast(listing_effect_usd as decimal(38, 6)) as listing_effect_usd,
    cast(coverage_effect_usd as decimal(38, 6)) as coverage_effect_usd,
    observed_hours,
    passed_hours as expected_hours
from effects
