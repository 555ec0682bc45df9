-- Receipts of one state that overlap or touch are joined before hours are made of them: a feed that is asked every hour
-- leaves a receipt of the whole day each time.
with receipts as (
    select
        coverage.exchange,
        coverage.dataset,
        coverage.symbol,
        coverage.state,
        coverage.start_at,
        coverage.end_at
    from {{ ref('stg_coverage') }} as coverage
    inner join {{ ref('int_instruments') }} as instruments
        on coverage.exchange = instruments.exchange and coverage.symbol = instruments.symbol
    where coverage.dataset in ('liquidations', 'open_interest')
),

settings as (
    select * from {{ ref('int_settings') }}
),

followed as (
    select
        *,
        max(end_at) over (
            partition by exchange, dataset, symbol, state
            order by start_at, end_at
            rows between unbounded preceding and 1 preceding
        ) as observed_until
    from receipts
),

numbered as (
    select
        *,
        sum(case when start_at <= observed_until then 0 else 1 end) over (
            partition by exchange, dataset, symbol, state
            order by start_at, end_at
            rows between unbounded preceding and current row
        ) as stretch_number
    from followed
),

stretches as (
    select
        exchange,
        dataset,
        symbol,
        state,
        min(start_at) as start_at,
        max(end_at) as end_at
    from numbered
    group by exchange, dataset, symbol, state, stretch_number
),

clipped as (
    select
        stretches.exchange,
        stretches.dataset,
        stretches.symbol,
        stretches.state,
        greatest({{ hour_at_or_after('stretches.start_at') }}, settings.first_hour_at) as first_hour_at,
        least(date_trunc('hour', stretches.end_at), settings.last_hour_at) as last_hour_at
    from stretches
    cross join settings
),

hours as (
    select
        exchange,
        dataset,
        symbol,
        state,
        {{ hours_between('first_hour_at', 'last_hour_at') }} as hour_at
    from clipped
    where first_hour_at < last_hour_at
)

select
    exchange,
    dataset,
    symbol,
    hour_at,
    min_by(state, case state when 'complete' then 1 when 'partial' then 2 when 'failed' then 3 else 4 end) as state
from hours
group by exchange, dataset, symbol, hour_at
