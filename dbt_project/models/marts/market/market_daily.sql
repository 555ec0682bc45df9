with liquidations_daily as (
    select * from {{ ref('liquidations_daily') }}
),

open_interest_daily as (
    select * from {{ ref('open_interest_daily') }}
),

instrument_days as (
    select * from {{ ref('int_open_interest_daily') }}
),

panel as (
    select * from {{ ref('int_panel_hourly') }}
),

period_prices as (
    select * from {{ ref('int_market_periods') }}
),

parts as (
    select
        period_start_date,
        exchange,
        asset,
        long_usd,
        short_usd,
        total_usd,
        cast(null as decimal(38, 6)) as close_usd,
        cast(null as decimal(38, 12)) as close_base,
        completeness,
        observed_hours,
        0 as open_interest_observed_hours,
        expected_hours,
        instruments,
        is_lower_bound,
        is_complete
    from liquidations_daily
    union all
    select
        period_start_date,
        exchange,
        asset,
        cast(null as decimal(38, 6)) as long_usd,
        cast(null as decimal(38, 6)) as short_usd,
        cast(null as decimal(38, 6)) as total_usd,
        close_usd,
        close_base,
        'complete' as completeness,
        observed_hours,
        observed_hours as open_interest_observed_hours,
        expected_hours,
        0 as instruments,
        false as is_lower_bound,
        is_complete
    from open_interest_daily
),

-- what was observed, over the exchanges of an asset, and for ALL over those of every asset
sums as (
    select
        period_start_date,
        coalesce(asset, 'ALL') as asset,
        sum(long_usd) as long_usd,
        sum(short_usd) as short_usd,
        sum(total_usd) as total_usd,
        sum(close_usd) as open_interest_usd,
        case when asset is not null then sum(close_base) end as open_interest_base,
        {{ worst_completeness('completeness') }} as completeness,
        sum(observed_hours) as observed_hours,
        sum(open_interest_observed_hours) as open_interest_observed_hours,
        sum(expected_hours) as expected_hours,
        sum(instruments) as instruments,
        bool_or(is_lower_bound) as is_lower_bound,
        min(case when is_complete then 1 else 0 end) = 1 as is_complete
    from parts
    group by grouping sets ((period_start_date, asset), (period_start_date))
),

-- an instrument seen at one end only is all listing or all coverage: an outage takes nothing from price or position
effects as (
    select
        period_start_date,
        coalesce(asset, 'ALL') as asset,
        sum(change_usd) as change_usd,
        sum(price_effect_usd) as price_effect_usd,
        sum(position_effect_usd) as position_effect_usd,
        sum(listing_effect_usd) as listing_effect_usd,
        sum(coverage_effect_usd) as coverage_effect_usd,
        array_sort(array_agg(distinct exchange) filter (where close_usd is null and not has_ended))
            as open_interest_lacking
    from instrument_days
    group by grouping sets ((period_start_date, asset), (period_start_date))
),

-- a stamp closes the hour before it
exchanges_with_figures as (
    select
        cast(as_of - interval 1 hour as date) as period_start_date,
        exchange,
        asset
    from panel
    where
        long_usd is not null
        or short_usd is not null
        or open_interest_usd is not null
        or close is not null
        or funding_rate_annualised is not null
    union distinct
    select
        period_start_date,
        exchange,
        asset
    from liquidations_daily
    where total_usd is not null
),

exchange_lists as (
    select
        period_start_date,
        coalesce(asset, 'ALL') as asset,
        array_sort(array_agg(distinct exchange)) as exchanges
    from exchanges_with_figures
    group by grouping sets ((period_start_date, asset), (period_start_date))
)

select
    sums.period_start_date,
    sums.asset,
    cast(sums.long_usd as decimal(38, 6)) as long_usd,
    cast(sums.short_usd as decimal(38, 6)) as short_usd,
    cast(sums.total_usd as decimal(38, 6)) as total_usd,
    cast(sums.open_interest_usd as decimal(38, 6)) as open_interest_usd,
    cast(sums.open_interest_base as decimal(38, 12)) as open_interest_base,
    cast(effects.change_usd as decimal(38, 6)) as change_usd,
    {% for effect in ["price", "position", "listing", "coverage"] -%}
        cast(effects.{{ effect }}_effect_usd as decimal(38, 6)) as {{ effect }}_effect_usd,
    {% endfor -%}
    period_prices.price_open,
    period_prices.price_close,
    period_prices.return_ratio,
    period_prices.realised_volatility,
    period_prices.funding_rate_annualised,
    period_prices.funding_weighting,
    coalesce(exchange_lists.exchanges, []) as exchanges,
    sums.completeness,
    period_prices.full_reporting_ratio,
    sums.is_lower_bound,
    cast(sums.open_interest_observed_hours as bigint) as open_interest_observed_hours,
    2.0 * sums.open_interest_observed_hours / sums.expected_hours as open_interest_observed_ratio,
    coalesce(effects.open_interest_lacking, []) as open_interest_lacking,
    effects.open_interest_lacking is not null as open_interest_is_lower_bound,
    cast(sums.observed_hours as bigint) as observed_hours,
    cast(sums.expected_hours as bigint) as expected_hours,
    cast(sums.instruments as bigint) as instruments,
    cast(sums.observed_hours as double) / sums.expected_hours as observed_ratio,
    sums.is_complete
from sums
left join effects
    on sums.period_start_date = effects.period_start_date and sums.asset = effects.asset
left join exchange_lists
    on sums.period_start_date = exchange_lists.period_start_date and sums.asset = exchange_lists.asset
left join period_prices
    on
        sums.period_start_date = period_prices.period_start_date
        and sums.asset = period_prices.asset
        and period_prices.grain = 'day'
