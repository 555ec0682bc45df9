{{ config(meta={'dagster': {'ref': {'name': 'liquidations_hourly', 'package': 'market_stress', 'version': none}}}) }}

with instruments as (
    select * from {{ ref('int_instruments') }}
),

liquidation_events as (
    select * from {{ ref('stg_liquidations') }}
),

liquidation_totals as (
    select * from {{ ref('stg_liquidation_totals') }}
),

liquidations_hourly as (
    select * from {{ ref('liquidations_hourly') }}
),

source_facts as (
    select
        exchange,
        symbol,
        date_trunc('hour', occurred_at) as hour_at,
        notional_usd as events_usd,
        cast(0 as decimal(38, 6)) as totals_usd
    from liquidation_events
    union all
    select
        exchange,
        symbol,
        period_start_at as hour_at,
        cast(0 as decimal(38, 6)) as events_usd,
        long_usd + short_usd as totals_usd
    from liquidation_totals
    where period_hours = 1
),

hourly_sources as (
    select
        source_facts.exchange,
        instruments.asset,
        source_facts.hour_at,
        sum(source_facts.events_usd) as events_usd,
        sum(source_facts.totals_usd) as totals_usd
    from source_facts
    inner join instruments
        on source_facts.exchange = instruments.exchange and source_facts.symbol = instruments.symbol
    group by source_facts.exchange, instruments.asset, source_facts.hour_at
)

select
    liquidations_hourly.hour_at,
    liquidations_hourly.exchange,
    liquidations_hourly.asset,
    liquidations_hourly.total_usd,
    hourly_sources.events_usd,
    hourly_sources.totals_usd
from liquidations_hourly
left join hourly_sources
    on
        liquidations_hourly.exchange = hourly_sources.exchange
        and liquidations_hourly.asset = hourly_sources.asset
        and liquidations_hourly.hour_at = hourly_sources.hour_at
where
    coalesce(liquidations_hourly.total_usd, 0)
    > greatest(coalesce(hourly_sources.events_usd, 0), coalesce(hourly_sources.totals_usd, 0))
