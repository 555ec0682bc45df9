with build as (
    select * from {{ ref('stg_build') }}
),

watched as (
    select * from {{ ref('stg_watched') }}
),

coverage as (
    select * from {{ ref('stg_coverage') }}
),

liquidation_events as (
    select * from {{ ref('stg_liquidations') }}
),

liquidation_totals as (
    select * from {{ ref('stg_liquidation_totals') }}
),

candles as (
    select * from {{ ref('stg_candles') }}
),

open_interest as (
    select * from {{ ref('stg_open_interest') }}
),

evidence as (
    select
        exchange,
        symbol,
        min(start_at) as first_at,
        max(end_at) as last_at
    from coverage
    where dataset <> 'instruments'
    group by exchange, symbol
    union all
    select
        exchange,
        symbol,
        min(occurred_at) as first_at,
        max(occurred_at) as last_at
    from liquidation_events
    group by exchange, symbol
    union all
    select
        exchange,
        symbol,
        min(period_start_at) as first_at,
        max(period_start_at + period_hours * interval 1 hour) as last_at
    from liquidation_totals
    group by exchange, symbol
    union all
    select
        exchange,
        symbol,
        min(opened_at) as first_at,
        max(opened_at) + interval 1 hour as last_at
    from candles
    group by exchange, symbol
    union all
    select
        exchange,
        symbol,
        min(observed_at) as first_at,
        max(observed_at) as last_at
    from open_interest
    group by exchange, symbol
),

evident as (
    select
        date_trunc('day', min(evidence.first_at)) as first_hour_at,
        max({{ hour_at_or_after('evidence.last_at') }}) as last_hour_at
    from evidence
    inner join watched on evidence.exchange = watched.exchange and evidence.symbol = watched.symbol
)

select
    build.as_of,
    least(evident.first_hour_at, date_trunc('day', build.as_of)) as first_hour_at,
    least(evident.last_hour_at, build.as_of) as last_hour_at
from build
cross join evident
