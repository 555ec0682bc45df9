with instrument_hours as (
    select * from {{ ref('int_instrument_hours') }}
),

dataset_sources as (
    select * from {{ ref('int_dataset_sources') }}
),

coverage_hourly as (
    select * from {{ ref('int_coverage_hourly') }}
),

refused as (
    select * from {{ ref('int_open_interest_refused') }}
),

instrument_open_interest as (
    select * from {{ ref('int_open_interest_hourly') }}
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
        ranked_states.symbol,
        ranked_states.hour_at,
        instrument_hours.asset,
        dataset_sources.mart_dataset as dataset,
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
),

-- an answer that isn't believed is none, be its receipt complete
refused_hours as (
    select
        refused.exchange,
        refused.symbol,
        refused.hour_at,
        min(refused.reason) as reason
    from refused
    left join instrument_open_interest
        on
            refused.exchange = instrument_open_interest.exchange
            and refused.symbol = instrument_open_interest.symbol
            and refused.hour_at = instrument_open_interest.as_of
            and instrument_open_interest.is_fresh
    where instrument_open_interest.as_of is null
    group by refused.exchange, refused.symbol, refused.hour_at
),

believed_states as (
    select
        best_states.exchange,
        best_states.asset,
        best_states.dataset,
        cast(best_states.hour_at as date) as period_start_date,
        case when refused_hours.hour_at is null then best_states.state else 'partial' end as state,
        coalesce(refused_hours.reason, best_states.reason) as reason
    from best_states
    left join refused_hours
        on
            best_states.dataset = 'open_interest'
            and best_states.state = 'complete'
            and best_states.exchange = refused_hours.exchange
            and best_states.symbol = refused_hours.symbol
            and best_states.hour_at = refused_hours.hour_at
)

select
    period_start_date,
    exchange,
    dataset,
    asset,
    state,
    reason,
    count(*) as hours
from believed_states
group by period_start_date, exchange, dataset, asset, state, reason
