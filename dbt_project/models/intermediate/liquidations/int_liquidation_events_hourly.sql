-- Several feeds may have brought the events of an hour. The first with a receipt counts, in the order of
-- feed_preference, and feeds are never added up. An event that more than one feed brought lies under the one that comes
-- first, so what such feeds hold belongs to the chosen one too, unless it says of an event what the chosen one says.
with coverage_hourly as (
    select * from {{ ref('int_coverage_hourly') }}
),

liquidation_events as (
    select * from {{ ref('stg_liquidations') }}
),

event_receipts as (
    select
        exchange,
        symbol,
        hour_at,
        {{ feed_preference('feed') }} as preference
    from coverage_hourly
    where dataset = 'liquidations' and state = 'complete'
),

events_by_feed as (
    select
        exchange,
        symbol,
        date_trunc('hour', occurred_at) as hour_at,
        {{ feed_preference('feed') }} as preference,
        sum(case when position_side = 'long' then notional_usd end) as long_usd,
        sum(case when position_side = 'short' then notional_usd end) as short_usd,
        count(*) as events,
        max(notional_usd) as largest_usd
    from liquidation_events
    group by exchange, symbol, date_trunc('hour', occurred_at), {{ feed_preference('feed') }}
),

candidate_events as (
    select
        events_by_feed.*,
        coalesce(event_receipts.preference, 4) as chosen_preference,
        count(*) over (partition by events_by_feed.exchange, events_by_feed.symbol, events_by_feed.hour_at) as feeds
    from events_by_feed
    left join event_receipts
        on
            events_by_feed.exchange = event_receipts.exchange
            and events_by_feed.symbol = event_receipts.symbol
            and events_by_feed.hour_at = event_receipts.hour_at
    where events_by_feed.preference <= coalesce(event_receipts.preference, 4)
),

shared_hours as (
    select distinct
        exchange,
        symbol,
        hour_at,
        chosen_preference
    from candidate_events
    where feeds > 1
),

-- the same event twice within one feed is two events, in two feeds it is one
numbered_events as (
    select
        liquidation_events.exchange,
        liquidation_events.symbol,
        shared_hours.hour_at,
        liquidation_events.occurred_at,
        liquidation_events.position_side,
        liquidation_events.price,
        liquidation_events.quantity_base,
        liquidation_events.notional_usd,
        row_number() over (
            partition by
                liquidation_events.exchange,
                liquidation_events.symbol,
                liquidation_events.occurred_at,
                liquidation_events.position_side,
                liquidation_events.price,
                liquidation_events.quantity_base,
                liquidation_events.notional_usd,
                liquidation_events.feed
            order by liquidation_events.event_id
        ) as occurrence
    from liquidation_events
    inner join shared_hours
        on
            liquidation_events.exchange = shared_hours.exchange
            and liquidation_events.symbol = shared_hours.symbol
            and date_trunc('hour', liquidation_events.occurred_at) = shared_hours.hour_at
            and {{ feed_preference('liquidation_events.feed') }} <= shared_hours.chosen_preference
),

distinct_events as (
    select distinct * from numbered_events
),

counted_events as (
    select
        exchange,
        symbol,
        hour_at,
        long_usd,
        short_usd,
        events,
        largest_usd
    from candidate_events
    where feeds = 1
    union all
    select
        exchange,
        symbol,
        hour_at,
        sum(case when position_side = 'long' then notional_usd end) as long_usd,
        sum(case when position_side = 'short' then notional_usd end) as short_usd,
        count(*) as events,
        max(notional_usd) as largest_usd
    from distinct_events
    group by exchange, symbol, hour_at
)

-- with a receipt, a side of which nothing came is zero; without one nobody knows
select
    coalesce(counted_events.exchange, event_receipts.exchange) as exchange,
    coalesce(counted_events.symbol, event_receipts.symbol) as symbol,
    coalesce(counted_events.hour_at, event_receipts.hour_at) as hour_at,
    coalesce(counted_events.long_usd, case when event_receipts.hour_at is not null then 0 end) as long_usd,
    coalesce(counted_events.short_usd, case when event_receipts.hour_at is not null then 0 end) as short_usd,
    coalesce(counted_events.events, 0) as events,
    counted_events.largest_usd,
    event_receipts.hour_at is not null as has_receipt
from counted_events
full outer join event_receipts
    on
        counted_events.exchange = event_receipts.exchange
        and counted_events.symbol = event_receipts.symbol
        and counted_events.hour_at = event_receipts.hour_at
