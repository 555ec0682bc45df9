-- Of several lengths the one that covers most of the day, and of those the finest; only whole periods of the day that
-- are over.
with bounds as (
    select * from {{ ref('int_spine_bounds') }}
),

instruments as (
    select * from {{ ref('int_instruments') }}
),

totals_of_natures as (
    select * from {{ ref('int_liquidation_totals') }}
),

coarse_days as (
    select
        cast(totals_of_natures.period_start_at as date) as period_start_date,
        totals_of_natures.exchange,
        instruments.asset,
        totals_of_natures.period_hours,
        sum(totals_of_natures.long_usd) as long_usd,
        sum(totals_of_natures.short_usd) as short_usd,
        {{ worst_completeness('totals_of_natures.completeness') }} as completeness,
        sum(least(
            totals_of_natures.period_hours,
            date_diff(
                'hour',
                totals_of_natures.period_start_at,
                coalesce(date_trunc('hour', instruments.ends_at), bounds.as_of)
            )
        )) as covered_hours
    from totals_of_natures
    inner join instruments
        on totals_of_natures.exchange = instruments.exchange and totals_of_natures.symbol = instruments.symbol
    cross join bounds
    where
        totals_of_natures.period_hours > 1
        and mod(date_part('hour', totals_of_natures.period_start_at), totals_of_natures.period_hours) = 0
        and totals_of_natures.period_start_at = date_trunc('hour', totals_of_natures.period_start_at)
        and totals_of_natures.period_start_at + totals_of_natures.period_hours * interval 1 hour <= bounds.as_of
        and totals_of_natures.period_start_at < coalesce(date_trunc('hour', instruments.ends_at), bounds.as_of)
    group by
        cast(totals_of_natures.period_start_at as date),
        totals_of_natures.exchange,
        instruments.asset,
        totals_of_natures.period_hours
),

ranked_lengths as (
    select
        *,
        row_number() over (
            partition by period_start_date, exchange, asset
            order by covered_hours desc, period_hours asc
        ) as place
    from coarse_days
)

select
    period_start_date,
    exchange,
    asset,
    period_hours,
    long_usd,
    short_usd,
    completeness,
    covered_hours
from ranked_lengths
where place = 1
