{{ config(meta={'dagster': {'ref': {'name': 'liquidations_daily', 'package': 'market_stress', 'version': none}}}) }}

with bounds as (
    select * from {{ ref('int_spine_bounds') }}
),

instruments as (
    select * from {{ ref('int_instruments') }}
),

liquidation_events as (
    select * from {{ ref('stg_liquidations') }}
),

liquidation_totals as (
    select * from {{ ref('stg_liquidation_totals') }}
),

liquidations_daily as (
    select * from {{ ref('liquidations_daily') }}
),

facts as (
    select
        exchange,
        symbol,
        cast(occurred_at as date) as period_start_date,
        notional_usd as events_usd,
        null as totals_usd
    from liquidation_events
    where occurred_at < (select bounds.last_hour_at from bounds)
    union all
    select
        exchange,
        symbol,
        cast(period_start_at as date) as period_start_date,
        null as events_usd,
        long_usd + short_usd as totals_usd
    from liquidation_totals
    where period_start_at < (select bounds.last_hour_at from bounds)
),

daily_sources as (
    select
        facts.exchange,
        instruments.asset,
        facts.period_start_date,
        sum(facts.events_usd) as events_usd,
        sum(facts.totals_usd) as totals_usd
    from facts
    inner join instruments
        on facts.exchange = instruments.exchange and facts.symbol = instruments.symbol
    group by facts.exchange, instruments.asset, facts.period_start_date
)

select
    liquidations_daily.period_start_date,
    liquidations_daily.exchange,
    liquidations_daily.asset,
    liquidations_daily.total_usd,
    daily_sources.events_usd,
    daily_sources.totals_usd
from liquidations_daily
left join daily_sources
    on
        liquidations_daily.exchange = daily_sources.exchange
        and liquidations_daily.asset = daily_sources.asset
        and liquidations_daily.period_start_date = daily_sources.period_start_date
where
    coalesce(liquidations_daily.total_usd, 0)
    not in (coalesce(daily_sources.events_usd, 0), coalesce(daily_sources.totals_usd, 0))
    or (
        liquidations_daily.total_usd is null
        and coalesce(daily_sources.events_usd, daily_sources.totals_usd) is not null
    )
