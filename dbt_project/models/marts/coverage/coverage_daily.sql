with bounds as (
    select * from {{ ref('int_spine_bounds') }}
),

instrument_periods as (
    select * from {{ ref('int_instrument_periods') }}
),

instrument_hours as (
    select * from {{ ref('int_instrument_hours') }}
),

dataset_sources as (
    select * from {{ ref('int_dataset_sources') }}
),

liquidations_daily as (
    select * from {{ ref('liquidations_daily') }}
),

open_interest_daily as (
    select * from {{ ref('open_interest_daily') }}
),

prices as (
    select * from {{ ref('int_prices_hourly') }}
),

funding as (
    select * from {{ ref('int_funding_hourly') }}
),

receipts_daily as (
    select * from {{ ref('int_coverage_daily') }}
),

-- what the marts count as observed; of funding the hours in which a rate was in force from start to end
observed_days as (
    select
        period_start_date,
        exchange,
        'liquidations' as dataset,
        asset,
        observed_hours
    from liquidations_daily
    union all
    select
        period_start_date,
        exchange,
        'open_interest' as dataset,
        asset,
        observed_hours
    from open_interest_daily
    union all
    select
        cast(instrument_hours.hour_at as date) as period_start_date,
        instrument_hours.exchange,
        'candles' as dataset,
        instrument_hours.asset,
        count(*) as observed_hours
    from prices
    inner join instrument_hours
        on
            prices.exchange = instrument_hours.exchange
            and prices.symbol = instrument_hours.symbol
            and prices.as_of = instrument_hours.hour_at + interval 1 hour
    group by cast(instrument_hours.hour_at as date), instrument_hours.exchange, instrument_hours.asset
    union all
    select
        cast(instrument_hours.hour_at as date) as period_start_date,
        instrument_hours.exchange,
        'funding_rates' as dataset,
        instrument_hours.asset,
        count(*) as observed_hours
    from funding
    inner join instrument_hours
        on
            funding.exchange = instrument_hours.exchange
            and funding.symbol = instrument_hours.symbol
            and funding.as_of = instrument_hours.hour_at
    inner join funding as funding_at_the_end
        on
            funding.exchange = funding_at_the_end.exchange
            and funding.symbol = funding_at_the_end.symbol
            and funding.as_of + interval 1 hour = funding_at_the_end.as_of
    group by cast(instrument_hours.hour_at as date), instrument_hours.exchange, instrument_hours.asset
),

receipt_states as (
    select
        period_start_date,
        exchange,
        dataset,
        asset,
        {% for state in ["complete", "partial", "failed", "unavailable"] -%}
            sum(case when state = '{{ state }}' then hours else 0 end) as hours_{{ state }},
        {% endfor -%}
        sum(hours) as hours_asked
    from receipts_daily
    group by period_start_date, exchange, dataset, asset
),

datasets as (
    select
        exchange,
        mart_dataset as dataset,
        min_by(silence, preference) as silence
    from dataset_sources
    where is_explaining
    group by exchange, mart_dataset
),

-- the spine ends with the last evidence, this with the clock: nothing looks complete because nobody asked any more
expected_days as (
    select
        period_start_date,
        exchange,
        asset,
        sum(expected_hours) as expected_hours
    from instrument_periods
    where grain = 'day'
    group by period_start_date, exchange, asset
),

dataset_days as (
    select
        expected_days.period_start_date,
        expected_days.exchange,
        datasets.dataset,
        expected_days.asset,
        least({{ period_end_at('expected_days.period_start_date', 'day') }}, bounds.as_of) as counted_until_at,
        expected_days.expected_hours as hours_expected,
        datasets.silence,
        coalesce(observed_days.observed_hours, 0) as hours_observed,
        {% for state in ["complete", "partial", "failed", "unavailable"] -%}
            coalesce(receipt_states.hours_{{ state }}, 0) as hours_{{ state }},
        {% endfor -%}
        expected_days.expected_hours - coalesce(receipt_states.hours_asked, 0) as hours_never_asked
    from expected_days
    inner join datasets on expected_days.exchange = datasets.exchange
    cross join bounds
    left join observed_days
        on
            expected_days.period_start_date = observed_days.period_start_date
            and expected_days.exchange = observed_days.exchange
            and expected_days.asset = observed_days.asset
            and datasets.dataset = observed_days.dataset
    left join receipt_states
        on
            expected_days.period_start_date = receipt_states.period_start_date
            and expected_days.exchange = receipt_states.exchange
            and expected_days.asset = receipt_states.asset
            and datasets.dataset = receipt_states.dataset
),

-- Rows may be there without a receipt, so silence is no more than what is missing and not explained. What is left then
-- was answered as complete and yet lacks its bar.
missing as (
    select
        *,
        hours_expected - hours_observed - hours_partial - hours_failed - hours_unavailable as hours_unexplained
    from dataset_days
    where hours_observed < hours_expected
),

gaps as (
    select
        receipts_daily.period_start_date,
        receipts_daily.exchange,
        receipts_daily.dataset,
        receipts_daily.asset,
        receipts_daily.state,
        receipts_daily.reason,
        receipts_daily.hours
    from receipts_daily
    inner join missing
        on
            receipts_daily.period_start_date = missing.period_start_date
            and receipts_daily.exchange = missing.exchange
            and receipts_daily.dataset = missing.dataset
            and receipts_daily.asset = missing.asset
    where receipts_daily.state <> 'complete'
    union all
    select
        period_start_date,
        exchange,
        dataset,
        asset,
        'never asked' as state,
        silence as reason,
        least(hours_never_asked, hours_unexplained) as hours
    from missing
    where hours_never_asked > 0 and hours_unexplained > 0
    union all
    select
        period_start_date,
        exchange,
        dataset,
        asset,
        'absent' as state,
        'asked, but the exchange gave no row' as reason,
        hours_unexplained - hours_never_asked as hours
    from missing
    where hours_unexplained > hours_never_asked
),

reasons as (
    select
        period_start_date,
        exchange,
        dataset,
        asset,
        min_by(reason, (-hours, reason)) as reason,
        array_agg(
            struct_pack(state := state, reason := reason, hours := cast(hours as bigint))
            order by hours desc, reason asc
        ) as gaps
    from gaps
    group by period_start_date, exchange, dataset, asset
)

select
    dataset_days.period_start_date,
    dataset_days.exchange,
    dataset_days.dataset,
    dataset_days.asset,
    {% for state in ["complete", "partial", "failed", "unavailable", "never_asked", "observed", "expected"] -%}
        cast(dataset_days.hours_{{ state }} as bigint) as hours_{{ state }},
    {% endfor -%}
    cast(dataset_days.hours_observed as double) / dataset_days.hours_expected as observed_ratio,
    dataset_days.counted_until_at,
    reasons.reason,
    coalesce(reasons.gaps, []) as gaps
from dataset_days
left join reasons
    on
        dataset_days.period_start_date = reasons.period_start_date
        and dataset_days.exchange = reasons.exchange
        and dataset_days.dataset = reasons.dataset
        and dataset_days.asset = reasons.asset
