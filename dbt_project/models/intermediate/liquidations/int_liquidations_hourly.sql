with instrument_hours as (
    select * from {{ ref('int_instrument_hours') }}
),

completeness_epochs as (
    select * from {{ ref('stg_completeness_epochs') }}
),

hourly_events as (
    select * from {{ ref('int_liquidation_events_hourly') }}
),

totals_of_natures as (
    select * from {{ ref('int_liquidation_totals') }}
),

event_epochs as (
    select
        exchange,
        completeness,
        since_at
    from completeness_epochs
    where dataset = 'liquidations'
),

hourly_totals as (
    select * from totals_of_natures
    where period_hours = 1
),

sources as (
    select
        instrument_hours.exchange,
        instrument_hours.symbol,
        instrument_hours.asset,
        instrument_hours.hour_at,
        hourly_events.long_usd as events_long_usd,
        hourly_events.short_usd as events_short_usd,
        hourly_events.events,
        hourly_events.largest_usd,
        hourly_totals.long_usd as totals_long_usd,
        hourly_totals.short_usd as totals_short_usd,
        hourly_totals.completeness as totals_completeness,
        coalesce(event_epochs.completeness, 'sampled') as events_completeness,
        coalesce(hourly_events.has_receipt, false) as has_receipt,
        hourly_totals.symbol is not null as has_totals
    from instrument_hours
    left join hourly_events
        on
            instrument_hours.exchange = hourly_events.exchange
            and instrument_hours.symbol = hourly_events.symbol
            and instrument_hours.hour_at = hourly_events.hour_at
    left join hourly_totals
        on
            instrument_hours.exchange = hourly_totals.exchange
            and instrument_hours.symbol = hourly_totals.symbol
            and instrument_hours.hour_at = hourly_totals.period_start_at
    asof left join event_epochs
        on instrument_hours.exchange = event_epochs.exchange and instrument_hours.hour_at >= event_epochs.since_at
),

-- whichever observes more of the asset's instruments; if both do, complete events before totals before sampled ones
observed_sources as (
    select
        *,
        count(*) filter (where has_receipt) over hour_of_asset as instruments_with_events,
        count(*) filter (where has_totals) over hour_of_asset as instruments_with_totals,
        bool_or(has_totals and totals_completeness <> 'sampled') over hour_of_asset as has_better_totals
    from sources
    window hour_of_asset as (partition by exchange, asset, hour_at)
),

chosen as (
    select
        *,
        instruments_with_totals > instruments_with_events
        or (
            instruments_with_totals > 0
            and instruments_with_totals = instruments_with_events
            and events_completeness <> 'complete'
            and has_better_totals
        ) as is_totals
    from observed_sources
)

select
    exchange,
    symbol,
    asset,
    hour_at,
    case when is_totals then totals_long_usd else events_long_usd end as long_usd,
    case when is_totals then totals_short_usd else events_short_usd end as short_usd,
    case when not is_totals then events end as events,
    case when not is_totals then largest_usd end as largest_usd,
    case
        when is_totals and has_totals then totals_completeness
        when not is_totals and events is not null then events_completeness
        else 'missing'
    end as completeness,
    case when is_totals then has_totals else has_receipt end as is_observed
from chosen
