-- Listing must be shown, not guessed. Ended: the exchange said so. Began: nothing of the instrument is known from
-- before, it was asked for in the hour before the start (answered complete or unavailable, not failed), and its
-- exchange did answer for another one then, so it isn't the exchange's memory that ends there. Ceased: nothing is
-- known from after, its exchange answered for another one at the end, and either it was asked for in the hour before
-- with a complete receipt, or the exchange has since been seen not to list it.
with instrument_ends as (
    select * from {{ ref('int_open_interest_ends') }}
),

instrument_sightings as (
    select * from {{ ref('int_instrument_sightings') }}
),

instrument_open_interest as (
    select * from {{ ref('int_open_interest_hourly') }}
),

coverage_hourly as (
    select * from {{ ref('int_coverage_hourly') }}
),

-- the receipt of the hour that ends at the stamp
asked as (
    select
        exchange,
        symbol,
        hour_at + interval 1 hour as as_of,
        state
    from coverage_hourly
    where dataset = 'open_interest'
),

answered as (
    select distinct
        exchange,
        as_of
    from instrument_open_interest
    where is_fresh
),

proven as (
    select
        instrument_ends.exchange,
        instrument_ends.symbol,
        instrument_ends.period_start_date,
        instrument_ends.open_usd is not null as is_opened,
        instrument_ends.close_usd is not null as is_closed,
        instrument_ends.has_ended,
        instrument_sightings.first_seen_at >= instrument_ends.start_at
        and asked_at_start.state in ('complete', 'unavailable')
        and answered_at_start.as_of is not null as has_begun,
        instrument_sightings.last_seen_at <= instrument_ends.end_at
        and (
            asked_at_end.state = 'complete'
            or instrument_sightings.unlisted_at > instrument_sightings.last_seen_at
        )
        and answered_at_end.as_of is not null as has_ceased
    from instrument_ends
    left join instrument_sightings
        on
            instrument_ends.exchange = instrument_sightings.exchange
            and instrument_ends.symbol = instrument_sightings.symbol
    left join asked as asked_at_start
        on
            instrument_ends.exchange = asked_at_start.exchange
            and instrument_ends.symbol = asked_at_start.symbol
            and instrument_ends.start_at = asked_at_start.as_of
    left join asked as asked_at_end
        on
            instrument_ends.exchange = asked_at_end.exchange
            and instrument_ends.symbol = asked_at_end.symbol
            and instrument_ends.end_at = asked_at_end.as_of
    left join answered as answered_at_start
        on
            instrument_ends.exchange = answered_at_start.exchange
            and instrument_ends.start_at = answered_at_start.as_of
    left join answered as answered_at_end
        on
            instrument_ends.exchange = answered_at_end.exchange
            and instrument_ends.end_at = answered_at_end.as_of
)

select
    exchange,
    symbol,
    period_start_date,
    case
        when has_ended and (is_opened or is_closed) then 'listing'
        when is_opened and is_closed then 'split'
        when is_closed and has_begun or is_opened and has_ceased then 'listing'
        when is_opened or is_closed then 'coverage'
    end as nature
from proven
