-- Receipts of one state and reason that overlap or touch are joined before hours are made of them: what is asked for
-- every hour leaves a receipt of the whole day each time.
with coverage as (
    select * from {{ ref('stg_coverage') }}
),

instruments as (
    select * from {{ ref('int_instruments') }}
),

bounds as (
    select * from {{ ref('int_spine_bounds') }}
),

receipts as (
    select
        coverage.exchange,
        coverage.dataset,
        coverage.symbol,
        coverage.feed,
        coverage.state,
        coalesce(coverage.reason, coverage.state) as reason,
        coverage.start_at,
        coverage.end_at
    from coverage
    inner join instruments
        on coverage.exchange = instruments.exchange and coverage.symbol = instruments.symbol
    where coverage.dataset <> 'instruments'
),

receipts_in_order as (
    select
        *,
        max(end_at) over (
            partition by exchange, dataset, symbol, feed, state, reason
            order by start_at, end_at
            rows between unbounded preceding and 1 preceding
        ) as observed_until
    from receipts
),

numbered_receipts as (
    select
        *,
        sum(case when start_at <= observed_until then 0 else 1 end) over (
            partition by exchange, dataset, symbol, feed, state, reason
            order by start_at, end_at
            rows between unbounded preceding and current row
        ) as stretch_number
    from receipts_in_order
),

stretches as (
    select
        exchange,
        dataset,
        symbol,
        feed,
        state,
        reason,
        min(start_at) as start_at,
        max(end_at) as end_at
    from numbered_receipts
    group by exchange, dataset, symbol, feed, state, reason, stretch_number
),

clipped as (
    select
        stretches.exchange,
        stretches.dataset,
        stretches.symbol,
        stretches.feed,
        stretches.state,
        stretches.reason,
        greatest({{ hour_at_or_after('stretches.start_at') }}, bounds.first_hour_at) as first_hour_at,
        least(date_trunc('hour', stretches.end_at), bounds.last_hour_at) as last_hour_at
    from stretches
    cross join bounds
),

receipt_hours as (
    select
        exchange,
        dataset,
        symbol,
        feed,
        state,
        reason,
        case state when 'complete' then 1 when 'partial' then 2 when 'failed' then 3 else 4 end as severity,
        {{ hours_between('first_hour_at', 'last_hour_at') }} as hour_at
    from clipped
    where first_hour_at < last_hour_at
)

select
    exchange,
    dataset,
    symbol,
    hour_at,
    min_by(state, severity) as state,
    min_by(reason, (severity, reason)) as reason,
    min_by(feed, (severity, {{ feed_preference('feed') }}, feed)) as feed
from receipt_hours
group by exchange, dataset, symbol, hour_at
