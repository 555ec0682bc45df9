with instrument_hours as (
    select * from {{ ref('int_instrument_hours') }}
),

dataset_sources as (
    select * from {{ ref('int_dataset_sources') }}
),

coverage_hourly as (
    select * from {{ ref('int_coverage_hourly') }}
),

ranked_states as (
    select
        *,
        case state when 'complete' then 1 when 'partial' then 2 when 'failed' then 3 else 4 end as severity
    from coverage_hourly
),

best_states as (
    select
        ranked_states.exchange,
        instrument_hours.asset,
        dataset_sources.mart_dataset as dataset,
        cast(ranked_states.hour_at as date) as period_start_date,
        min_by(ranked_states.state, (ranked_states.severity, dataset_sources.preference)) as state,
        min_by(ranked_states.reason, (ranked_states.severity, dataset_sources.preference)) as reason
    from ranked_states
    inner join dataset_sources
        on ranked_states.exchange = dataset_sources.exchange and ranked_states.dataset = dataset_sources.dataset
    inner join instrument_hours
        on
            ranked_states.exchange = instrument_hours.exchange
            and ranked_states.symbol = instrument_hours.symbol
            and ranked_states.hour_at = instrument_hours.hour_at
    where ranked_states.state = 'complete' or dataset_sources.is_explaining
    group by
        ranked_states.exchange,
        instrument_hours.asset,
        dataset_sources.mart_dataset,
        ranked_states.symbol,
        ranked_states.hour_at
)

select
    period_start_date,
    exchange,
    dataset,
    asset,
    state,
    reason,
    count(*) as hours
from best_states
group by period_start_date, exchange, dataset, asset, state, reason
