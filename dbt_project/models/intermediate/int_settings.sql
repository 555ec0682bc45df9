with settings as (
    select * from {{ ref('stg_settings') }}
),

watched as (
    select * from {{ ref('stg_watched') }}
),

evidence as (
    select
        exchange,
        symbol,
        min(start_at) as first_at,
        max(end_at) as last_at
    from {{ ref('stg_coverage') }}
    where dataset <> 'instruments'
    group by exchange, symbol
    union all
    select
        exchange,
        symbol,
        min(occurred_at) as first_at,
        max(occurred_at) as last_at
    from {{ ref('stg_liquidations') }}
    group by exchange, symbol
    union all
    select
        exchange,
        symbol,
        min(period_start_at) as first_at,
        max(period_start_at) + interval 1 hour as last_at
    from {{ ref('stg_liquidation_totals') }}
    group by exchange, symbol
    union all
    select
        exchange,
        symbol,
        min(opened_at) as first_at,
        max(opened_at) + interval 1 hour as last_at
    from {{ ref('stg_candles') }}
    group by exchange, symbol
    union all
    select
        exchange,
        symbol,
        min(observed_at) as first_at,
        max(observed_at) as last_at
    from {{ ref('stg_open_interest') }}
    group by exchange, symbol
),

bounds as (
    select
        date_trunc('day', min(evidence.first_at)) as first_hour_at,
        max({{ hour_at_or_after('evidence.last_at') }}) as last_hour_at
    from evidence
    inner join watched on evidence.exchange = watched.exchange and evidence.symbol = watched.symbol
)

select
    settings.as_of,
    settings.warm_up_days,
    least(bounds.first_hour_at, date_trunc('day', settings.as_of)) as first_hour_at,
    least(bounds.last_hour_at, settings.as_of) as last_hour_at
from settings
cross join bounds
