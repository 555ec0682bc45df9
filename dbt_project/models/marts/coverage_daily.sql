with settings as (
    select * from {{ ref('int_settings') }}
),

feeds as (
    select * from {{ ref('int_feeds') }}
),

liquidations as (
    select * from {{ ref('liquidations_daily') }}
),

open_interest as (
    select * from {{ ref('open_interest_daily') }}
),

prices as (
    select * from {{ ref('int_prices_hourly') }}
),

funding as (
    select * from {{ ref('int_funding_hourly') }}
),

receipts as (
    select * from {{ ref('int_coverage_daily') }}
),

-- what the marts count as observed; of funding the hours in which a rate was in force from start to end
observed as (
    select
        period_start_date,
        exchange,
        'liquidations' as dataset,
        asset,
        observed_hours
    from liquidations
    union all
    select
        period_start_date,
        exchange,
        'open_interest' as dataset,
        asset,
        observed_hours
    from open_interest
    union all
    select
        cast(hour_at - interval 1 hour as date) as period_start_date,
        exchange,
        'candles' as dataset,
        asset,
        count(*) as observed_hours
    from prices
    group by cast(hour_at - interval 1 hour as date), exchange, asset
    union all
    select
        cast(hour_at as date) as period_start_date,
        exchange,
        'funding_rates' as dataset,
        asset,
        count(*) as observed_hours
    from funding
    where
        hour_at < (select settings.last_hour_at from settings)
        and hour_at + interval 1 hour <= settled_at + (interval_hours + 1) * interval 1 hour
    group by cast(hour_at as date), exchange, asset
),

states as (
    select
        period_start_date,
        exchange,
        dataset,
        asset,
        {% for state in ["complete", "partial", "failed", "unavailable"] -%}
            sum(case when state = '{{ state }}' then hours else 0 end) as {{ state }},
        {% endfor -%}
        sum(hours) as asked
    from receipts
    group by period_start_date, exchange, dataset, asset
),

datasets as (
    select
        exchange,
        mart_dataset as dataset,
        min_by(silence, preference) as silence
    from feeds
    where is_explaining
    group by exchange, mart_dataset
),

days as (
    select
        liquidations.period_start_date,
        liquidations.exchange,
        datasets.dataset,
        liquidations.asset,
        liquidations.expected_hours as expected,
        datasets.silence,
        coalesce(observed.observed_hours, 0) as observed,
        {% for state in ["complete", "partial", "failed", "unavailable"] -%}
            coalesce(states.{{ state }}, 0) as {{ state }},
        {% endfor -%}
        liquidations.expected_hours - coalesce(states.asked, 0) as never_asked
    from liquidations
    inner join datasets on liquidations.exchange = datasets.exchange
    left join observed
        on
            liquidations.period_start_date = observed.period_start_date
            and liquidations.exchange = observed.exchange
            and liquidations.asset = observed.asset
            and datasets.dataset = observed.dataset
    left join states
        on
            liquidations.period_start_date = states.period_start_date
            and liquidations.exchange = states.exchange
            and liquidations.asset = states.asset
            and datasets.dataset = states.dataset
),

-- Rows may be there without a receipt, so silence is no more than what is missing and not explained. What is left then
-- was answered as complete and yet lacks its bar.
missing as (
    select
        *,
        greatest(least(never_asked, expected - observed - partial - failed - unavailable), 0) as unasked,
        greatest(expected - observed - partial - failed - unavailable - never_asked, 0) as rowless
    from days
    where observed < expected
),

gaps as (
    select
        receipts.period_start_date,
        receipts.exchange,
        receipts.dataset,
        receipts.asset,
        receipts.state,
        receipts.reason,
        receipts.hours
    from receipts
    inner join missing
        on
            receipts.period_start_date = missing.period_start_date
            and receipts.exchange = missing.exchange
            and receipts.dataset = missing.dataset
            and receipts.asset = missing.asset
    where receipts.state <> 'complete'
    union all
    select
        period_start_date,
        exchange,
        dataset,
        asset,
        'never asked' as state,
        silence as reason,
        unasked as hours
    from missing
    where unasked > 0
    union all
    select
        period_start_date,
        exchange,
        dataset,
        asset,
        'absent' as state,
        'asked, but the exchange gave no row' as reason,
        rowless as hours
    from missing
    where rowless > 0
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
    days.period_start_date,
    days.exchange,
    days.dataset,
    days.asset,
    {% for state in ["complete", "partial", "failed", "unavailable", "never_asked", "observed", "expected"] -%}
        cast(days.{{ state }} as bigint) as hours_{{ state }},
    {% endfor -%}
    cast(days.observed as double) / days.expected as observed_ratio,
    reasons.reason,
    coalesce(reasons.gaps, []) as gaps
from days
left join reasons
    on
        days.period_start_date = reasons.period_start_date
        and days.exchange = reasons.exchange
        and days.dataset = reasons.dataset
        and days.asset = reasons.asset
