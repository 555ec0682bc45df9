with instruments as (
    select * from {{ ref('int_instruments') }}
),

feeds as (
    select * from {{ ref('int_feeds') }}
),

hourly as (
    select
        *,
        case state when 'complete' then 1 when 'partial' then 2 when 'failed' then 3 else 4 end as severity
    from {{ ref('int_coverage_hourly') }}
),

hours as (
    select
        hourly.exchange,
        instruments.asset,
        feeds.mart_dataset as dataset,
        cast(hourly.hour_at as date) as period_start_date,
        min_by(hourly.state, (hourly.severity, feeds.preference)) as state,
        min_by(hourly.reason, (hourly.severity, feeds.preference)) as reason
    from hourly
    inner join feeds
        on hourly.exchange = feeds.exchange and hourly.dataset = feeds.dataset
    inner join instruments
        on hourly.exchange = instruments.exchange and hourly.symbol = instruments.symbol
    where hourly.state = 'complete' or feeds.is_explaining
    group by hourly.exchange, instruments.asset, feeds.mart_dataset, hourly.symbol, hourly.hour_at
)

select
    period_start_date,
    exchange,
    dataset,
    asset,
    state,
    reason,
    count(*) as hours
from hours
group by period_start_date, exchange, dataset, asset, state, reason
