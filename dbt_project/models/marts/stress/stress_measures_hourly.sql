with market_hourly as (
    select * from {{ ref('market_hourly') }}
),

market as (
    select * from {{ ref('int_market_hourly') }}
),

-- a trailing measure needs 23 of 24 hours, or nine tenths of 28 days
measures as (
    select
        as_of,
        asset,
        case
            when
                count(hourly_log_return) over last_24h >= 23
                then sum(hourly_log_return * hourly_log_return) over last_24h
        end
            as squared_log_returns,
        case
            when count(price_level) over last_28d >= 0.9 * 672 then 1 - price_level / max(price_level) over last_28d
        end
            as downside_28d_ratio
    from market
    window
        last_24h as (partition by asset order by as_of rows between 23 preceding and current row),
        last_28d as (partition by asset order by as_of rows between 671 preceding and current row)
),

all_open_interest as (
    select
        as_of,
        open_interest_usd
    from market
    where asset = 'ALL'
),

final as (
    select
        market_hourly.as_of,
        market_hourly.asset,
        -market_hourly.return_24h_ratio as downside_24h_ratio,
        measures.downside_28d_ratio,
        sqrt(measures.squared_log_returns) as volatility_24h,
        cast(
            case
                when market_hourly.asset != 'ALL'
                    then market_hourly.open_interest_usd / nullif(all_open_interest.open_interest_usd, 0)
            end as double
        ) as open_interest_share
    from market_hourly
    inner join measures on market_hourly.as_of = measures.as_of and market_hourly.asset = measures.asset
    left join all_open_interest on market_hourly.as_of = all_open_interest.as_of
)

select * from final
