-- Prices, returns, volatility and funding of every day, week and month, per asset and for ALL. None of them adds up
-- over periods, so each grain is measured between its own stamps.
with bounds as (
    select * from {{ ref('int_spine_bounds') }}
),

instruments as (
    select * from {{ ref('int_instruments') }}
),

panel as (
    select * from {{ ref('int_panel_hourly') }}
),

market as (
    select * from {{ ref('int_market_hourly') }}
),

-- a stamp closes the hour before it, so it belongs to that hour's period; an open period ends at the spine's last stamp
{% for grain in ["day", "week", "month"] %}
    hours_of_a_{{ grain }} as (
        select
            '{{ grain }}' as grain,
            cast(date_trunc('{{ grain }}', as_of - interval 1 hour) as date) as period_start_date,
            asset,
            hourly_log_return,
            funding_rate_annualised,
            funding_weighting,
            instruments,
            watched_usd,
            fully_reporting_instruments,
            fully_reporting_usd
        from market
        where as_of > (select bounds.first_hour_at from bounds)
    ),

    -- 23 of 24 hourly returns make a volatility, as in the trailing 24 h
    periods_of_a_{{ grain }} as (
        select
            hours.grain,
            hours.period_start_date,
            hours.asset,
            cast(hours.period_start_date as timestamp) as start_at,
            {{ last_stamp_at('hours.period_start_date', grain, 'bounds') }} as end_at,
            case
                when
                    count(hours.hourly_log_return)
                    >= 23.0 / 24 * {{ hours_passed('hours.period_start_date', grain, 'bounds.as_of') }}
                    then sqrt({{ sum_in_order('hours.hourly_log_return * hours.hourly_log_return') }})
            end as realised_volatility,
            {{ sum_in_order('hours.funding_rate_annualised') }}
            / nullif(count(hours.funding_rate_annualised), 0) as funding_rate_annualised,
            case
                when min(hours.funding_weighting) = max(hours.funding_weighting) then min(hours.funding_weighting)
                when min(hours.funding_weighting) is not null then 'mixed'
            end as funding_weighting,
            {{ full_reporting_ratio(of='hours.') }} as full_reporting_ratio
        from hours_of_a_{{ grain }} as hours
        cross join bounds
        group by hours.grain, hours.period_start_date, hours.asset, bounds.as_of, bounds.last_hour_at
    ),
{% endfor %}
all_periods as (
    select * from periods_of_a_day
    union all
    select * from periods_of_a_week
    union all
    select * from periods_of_a_month
),

-- a return is the median of each instrument's own, so it needn't be the ratio of the two median prices
asset_prices as (
    select
        all_periods.grain,
        all_periods.period_start_date,
        all_periods.asset,
        median(opened.close) as price_open,
        median(closed.close) as price_close,
        median(closed.close / nullif(opened.close, 0) - 1) as return_ratio,
        sum(opened.open_interest_usd) as open_interest_start_usd
    from all_periods
    inner join instruments
        on all_periods.asset = instruments.asset
    left join panel as opened
        on
            instruments.exchange = opened.exchange
            and instruments.symbol = opened.symbol
            and all_periods.start_at = opened.as_of
    left join panel as closed
        on
            instruments.exchange = closed.exchange
            and instruments.symbol = closed.symbol
            and all_periods.end_at = closed.as_of
    group by all_periods.grain, all_periods.period_start_date, all_periods.asset
),

asset_and_all_prices as (
    select
        grain,
        period_start_date,
        asset,
        price_open,
        price_close,
        return_ratio
    from asset_prices
    union all
    select
        grain,
        period_start_date,
        'ALL' as asset,
        cast(null as double) as price_open,
        cast(null as double) as price_close,
        {{ sum_in_order('return_ratio * open_interest_start_usd') }}
        / nullif(sum(open_interest_start_usd) filter (where return_ratio is not null), 0) as return_ratio
    from asset_prices
    group by grain, period_start_date
)

select
    all_periods.grain,
    all_periods.period_start_date,
    all_periods.asset,
    asset_and_all_prices.price_open,
    asset_and_all_prices.price_close,
    asset_and_all_prices.return_ratio,
    all_periods.realised_volatility,
    all_periods.funding_rate_annualised,
    all_periods.funding_weighting,
    all_periods.full_reporting_ratio
from all_periods
left join asset_and_all_prices
    on
        all_periods.grain = asset_and_all_prices.grain
        and all_periods.period_start_date = asset_and_all_prices.period_start_date
        and all_periods.asset = asset_and_all_prices.asset
