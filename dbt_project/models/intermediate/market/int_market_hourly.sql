-- The market at every stamp: each asset over its instruments, and ALL over assets. An instrument that drops out takes
-- its own return, funding and open interest with it and moves nobody else's.
with panel as (
    select * from {{ ref('int_panel_hourly') }}
),

reporting_instruments as (
    select
        *,
        not has_ended and is_liquidations_observed and completeness_rank < 2 as is_fully_reporting
    from panel
),

assets as (
    select
        as_of,
        asset,
        median(close) as price,
        median(hourly_log_return) as hourly_log_return,
        sum(open_interest_1h_ago_usd) as open_interest_1h_ago_usd,
        sum(open_interest_usd) as open_interest_usd,
        sum(open_interest_base) as open_interest_base,
        {{ mean_rate('funding_rate_annualised', 'open_interest_usd') }} as funding_rate_annualised,
        {{ weighting('funding_rate_annualised', 'open_interest_usd') }} as funding_weighting,
        nullif(sum(open_interest_usd) filter (where funding_rate_annualised is not null), 0) as funding_weight_usd,
        count(*) filter (where not has_ended) as instruments,
        sum(last_open_interest_usd) filter (where not has_ended) as watched_usd,
        count(*) filter (where is_fully_reporting) as fully_reporting_instruments,
        sum(last_open_interest_usd) filter (where is_fully_reporting) as fully_reporting_usd
    from reporting_instruments
    group by as_of, asset
),

-- an asset without a return, or without open interest an hour ago to weigh it by, is left out of that hour
all_assets as (
    select
        as_of,
        'ALL' as asset,
        cast(null as double) as price,
        ln(
            {{ sum_in_order('exp(hourly_log_return) * open_interest_1h_ago_usd') }}
            / nullif(sum(open_interest_1h_ago_usd) filter (where hourly_log_return is not null), 0)
        ) as hourly_log_return,
        sum(open_interest_usd) as open_interest_usd,
        cast(null as decimal(38, 12)) as open_interest_base,
        {{ mean_rate('funding_rate_annualised', 'funding_weight_usd') }} as funding_rate_annualised,
        {{ weighting('funding_rate_annualised', 'funding_weight_usd') }} as funding_weighting,
        sum(instruments) as instruments,
        sum(watched_usd) as watched_usd,
        sum(fully_reporting_instruments) as fully_reporting_instruments,
        sum(fully_reporting_usd) as fully_reporting_usd
    from assets
    group by as_of
),

assets_and_all as (
    select
        as_of,
        asset,
        price,
        hourly_log_return,
        open_interest_usd,
        open_interest_base,
        funding_rate_annualised,
        funding_weighting,
        instruments,
        watched_usd,
        fully_reporting_instruments,
        fully_reporting_usd
    from assets
    union all
    select
        as_of,
        asset,
        price,
        hourly_log_return,
        open_interest_usd,
        open_interest_base,
        funding_rate_annualised,
        funding_weighting,
        instruments,
        watched_usd,
        fully_reporting_instruments,
        fully_reporting_usd
    from all_assets
),

-- where closes don't add up to a price (ALL), the level is an index of the hourly returns
final as (
    select
        *,
        case
            when asset != 'ALL' then price
            when hourly_log_return is not null then exp(sum(hourly_log_return) over path)
        end as price_level
    from assets_and_all
    window path as (partition by asset order by as_of rows unbounded preceding)
)

select * from final
