{{ config(meta={'dagster': {'ref': {'name': 'liquidations_daily', 'package': 'market_stress', 'version': none}}}) }}

with settings as (
    select * from {{ ref('int_settings') }}
),

facts as (
    select
        exchange,
        symbol,
        cast(occurred_at as date) as period_start_date,
        notional_usd as events_usd,
        null as totals_usd
    from {{ ref('stg_liquidations') }}
    where occurred_at < (select settings.last_hour_at from settings)
    union all
    select
        exchange,
        symbol,
        cast(period_start_at as date) as period_start_date,
        null as events_usd,
        long_usd + short_usd as totals_usd
    from {{ ref('stg_liquidation_totals') }}
    where period_start_at < (select settings.last_hour_at from settings)
),

sources as (
    select
        facts.exchange,
        instruments.asset,
        facts.period_start_date,
        sum(facts.events_usd) as events_usd,
        sum(facts.totals_usd) as totals_usd
    from facts
    inner join {{ ref('int_instruments') }} as instruments
        on facts.exchange = instruments.exchange and facts.symbol = instruments.symbol
    group by facts.exchange, instruments.asset, facts.period_start_date
)

select
    daily.period_start_date,
    daily.exchange,
    daily.asset,
    daily.total_usd,
    sources.events_usd,
    sources.totals_usd
from {{ ref('liquidations_daily') }} as daily
left join sources
    on
        daily.exchange = sources.exchange
        and daily.asset = sources.asset
        and daily.period_start_date = sources.period_start_date
where
    coalesce(daily.total_usd, 0) not in (coalesce(sources.events_usd, 0), coalesce(sources.totals_usd, 0))
    or (daily.total_usd is null and coalesce(sources.events_usd, sources.totals_usd) is not null)
