with instruments as (
    select * from {{ ref('int_instruments') }}
),

hours as (
    select * from {{ ref('int_hours') }}
),

bounds as (
    select * from {{ ref('int_spine_bounds') }}
),

completeness_epochs as (
    select * from {{ ref('stg_completeness_epochs') }}
),

coverage_hourly as (
    select * from {{ ref('int_coverage_hourly') }}
),

liquidation_events as (
    select * from {{ ref('stg_liquidations') }}
),

liquidation_totals as (
    select * from {{ ref('stg_liquidation_totals') }}
),

event_epochs as (
    select
        exchange,
        completeness,
        since_at
    from completeness_epochs
    where dataset = 'liquidations'
),

event_receipts as (
    select
        exchange,
        symbol,
        hour_at
    from coverage_hourly
    where dataset = 'liquidations' and state = 'complete'
),

hourly_events as (
    select
        exchange,
        symbol,
        date_trunc('hour', occurred_at) as hour_at,
        sum(case when position_side = 'long' then notional_usd else 0 end) as long_usd,
        sum(case when position_side = 'short' then notional_usd else 0 end) as short_usd,
        count(*) as events,
        max(notional_usd) as largest_usd
    from liquidation_events
    group by exchange, symbol, date_trunc('hour', occurred_at)
),

hourly_totals as (
    select
        exchange,
        symbol,
        date_trunc('hour', period_start_at) as hour_at,
        sum(long_usd) as long_usd,
        sum(short_usd) as short_usd
    from liquidation_totals
    group by exchange, symbol, date_trunc('hour', period_start_at)
),

instrument_hours as (
    select
        instruments.exchange,
        instruments.symbol,
        instruments.asset,
        hours.hour_at,
        date_trunc('day', hours.hour_at) as day_at
    from instruments
    cross join hours
),

sources as (
    select
        instrument_hours.exchange,
        instrument_hours.symbol,
        instrument_hours.asset,
        instrument_hours.hour_at,
        instrument_hours.day_at,
        coalesce(event_epochs.completeness, 'sampled') as events_completeness,
        event_receipts.hour_at is not null as has_receipt,
        hourly_totals.hour_at is not null as has_totals,
        hourly_totals.long_usd as totals_long_usd,
        hourly_totals.short_usd as totals_short_usd,
        coalesce(hourly_events.events, case when event_receipts.hour_at is not null then 0 end) as events,
        coalesce(hourly_events.long_usd, case when event_receipts.hour_at is not null then 0 end) as events_long_usd,
        coalesce(hourly_events.short_usd, case when event_receipts.hour_at is not null then 0 end) as events_short_usd,
        hourly_events.largest_usd
    from instrument_hours
    left join event_receipts
        on
            instrument_hours.exchange = event_receipts.exchange
            and instrument_hours.symbol = event_receipts.symbol
            and instrument_hours.hour_at = event_receipts.hour_at
    left join hourly_events
        on
            instrument_hours.exchange = hourly_events.exchange
            and instrument_hours.symbol = hourly_events.symbol
            and instrument_hours.hour_at = hourly_events.hour_at
    left join hourly_totals
        on
            instrument_hours.exchange = hourly_totals.exchange
            and instrument_hours.symbol = hourly_totals.symbol
            and instrument_hours.hour_at = hourly_totals.hour_at
    asof left join event_epochs
        on instrument_hours.exchange = event_epochs.exchange and instrument_hours.hour_at >= event_epochs.since_at
),

days_of_assets as (
    select
        sources.*,
        sum(case when sources.events_completeness = 'complete' and sources.has_receipt then 1 else 0 end)
            over day_of_asset as complete_hours,
        count(*) over day_of_asset as spine_hours,
        max(case when sources.has_totals then 1 else 0 end) over day_of_asset as has_totals_that_day,
        least(sources.day_at + interval 1 day, bounds.as_of) <= bounds.last_hour_at as has_whole_day
    from sources
    cross join bounds
    window day_of_asset as (partition by sources.exchange, sources.asset, sources.day_at)
),

chosen as (
    select
        *,
        case
            when has_whole_day and complete_hours = spine_hours then 'complete'
            when has_totals_that_day = 1 then 'totals'
            else 'events'
        end as chosen_source
    from days_of_assets
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
        when chosen_source <> 'totals' and events is not null then events_completeness
        else 'missing'
    end as completeness,
    case chosen_source when 'totals' then has_totals else has_receipt end as is_observed
from chosen
