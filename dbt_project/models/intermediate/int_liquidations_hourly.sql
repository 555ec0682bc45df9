with instruments as (
    select * from {{ ref('int_instruments') }}
),

hours as (
    select * from {{ ref('int_hours') }}
),

settings as (
    select * from {{ ref('int_settings') }}
),

epochs as (
    select
        exchange,
        completeness,
        since_at
    from {{ ref('stg_feed_epochs') }}
    where dataset = 'liquidations'
),

receipts as (
    select
        exchange,
        symbol,
        hour_at
    from {{ ref('int_coverage_hourly') }}
    where dataset = 'liquidations' and state = 'complete'
),

events as (
    select
        exchange,
        symbol,
        date_trunc('hour', occurred_at) as hour_at,
        sum(case when position_side = 'long' then notional_usd else 0 end) as long_usd,
        sum(case when position_side = 'short' then notional_usd else 0 end) as short_usd,
        count(*) as events,
        max(notional_usd) as largest_usd
    from {{ ref('stg_liquidations') }}
    group by exchange, symbol, date_trunc('hour', occurred_at)
),

totals as (
    select
        exchange,
        symbol,
        date_trunc('hour', period_start_at) as hour_at,
        sum(long_usd) as long_usd,
        sum(short_usd) as short_usd
    from {{ ref('stg_liquidation_totals') }}
    group by exchange, symbol, date_trunc('hour', period_start_at)
),

spine as (
    select
        instruments.exchange,
        instruments.symbol,
        instruments.asset,
        hours.hour_at,
        date_trunc('day', hours.hour_at) as day_at
    from instruments
    cross join hours
),

known as (
    select
        spine.exchange,
        spine.symbol,
        spine.asset,
        spine.hour_at,
        spine.day_at,
        coalesce(epochs.completeness, 'sampled') as feed_completeness,
        receipts.hour_at is not null as has_receipt,
        totals.hour_at is not null as has_totals,
        totals.long_usd as totals_long_usd,
        totals.short_usd as totals_short_usd,
        coalesce(events.events, case when receipts.hour_at is not null then 0 end) as events,
        coalesce(events.long_usd, case when receipts.hour_at is not null then 0 end) as events_long_usd,
        coalesce(events.short_usd, case when receipts.hour_at is not null then 0 end) as events_short_usd,
        events.largest_usd
    from spine
    left join receipts
        on
            spine.exchange = receipts.exchange
            and spine.symbol = receipts.symbol
            and spine.hour_at = receipts.hour_at
    left join events
        on spine.exchange = events.exchange and spine.symbol = events.symbol and spine.hour_at = events.hour_at
    left join totals
        on spine.exchange = totals.exchange and spine.symbol = totals.symbol and spine.hour_at = totals.hour_at
    asof left join epochs
        on spine.exchange = epochs.exchange and spine.hour_at >= epochs.since_at
),

passed as (
    select
        known.*,
        sum(case when known.feed_completeness = 'complete' and known.has_receipt then 1 else 0 end) over day_of_asset
            as complete_hours,
        count(*) over day_of_asset as spine_hours,
        max(case when known.has_totals then 1 else 0 end) over day_of_asset as has_totals_that_day,
        least(known.day_at + interval 1 day, settings.as_of) <= settings.last_hour_at as has_whole_day
    from known
    cross join settings
    window day_of_asset as (partition by known.exchange, known.asset, known.day_at)
),

chosen as (
    select
        *,
        case
            when has_whole_day and complete_hours = spine_hours then 'complete'
            when has_totals_that_day = 1 then 'totals'
            else 'events'
        end as chosen_source
    from passed
)

select
    exchange,
    symbol,
    asset,
    hour_at,
    case chosen_source when 'totals' then totals_long_usd else events_long_usd end as long_usd,
    case chosen_source when 'totals' then totals_short_usd else events_short_usd end as short_usd,
    case when chosen_source <> 'totals' then events end as events,
    case when chosen_source <> 'totals' then largest_usd end as largest_usd,
    case
        when chosen_source = 'totals' and has_totals then 'totals'
        when chosen_source <> 'totals' and events is not null then feed_completeness
        else 'missing'
    end as completeness,
    case chosen_source when 'totals' then has_totals else has_receipt end as is_observed
from chosen
