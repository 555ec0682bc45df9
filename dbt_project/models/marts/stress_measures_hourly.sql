with hourly as (
    select * from {{ ref('market_hourly') }}
),

market as (
    select * from {{ ref('int_market_hourly') }}
),

liquidations as (
    select * from {{ ref('int_stress_liquidations') }}
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
            as downside_28d_ratio,
        case
            when count(funding_rate_annualised) over last_28d >= 0.9 * 672
                then abs(funding_rate_annualised - median(funding_rate_annualised) over last_28d)
        end as funding_dislocation
    from market
    window
        last_24h as (partition by asset order by as_of rows between 23 preceding and current row),
        last_28d as (partition by asset order by as_of rows between 671 preceding and current row)
),

whole as (
    select
        as_of,
        open_interest_usd
    from market
    where asset = 'ALL'
),

final as (
    select
        hourly.as_of,
        hourly.asset,
        cast(liquidations.liquidations_ratio as double) as liquidations_ratio,
        cast(
            -hourly.position_effect_24h_end_to_end_usd / nullif(hourly.open_interest_start_24h_usd, 0) as double
        ) as open_interest_24h_ratio,
        -- the start's positions at the end's prices are its value plus the price effect
        cast(
            -hourly.position_effect_28d_end_to_end_usd
            / nullif(hourly.open_interest_start_28d_usd + hourly.price_effect_28d_end_to_end_usd, 0) as double
        ) as open_interest_28d_ratio,
        -hourly.return_24h_ratio as downside_24h_ratio,
        measures.downside_28d_ratio,
        sqrt(measures.squared_log_returns) as volatility_24h,
        measures.funding_dislocation,
        cast(
            case
                when hourly.asset != 'ALL' then hourly.open_interest_usd / nullif(whole.open_interest_usd, 0)
            end as double
        ) as open_interest_share,
        liquidations.liquidations_completeness,
        coalesce(liquidations.liquidations_panel, []) as liquidations_panel
    from hourly
    inner join measures on hourly.as_of = measures.as_of and hourly.asset = measures.asset
    left join whole on hourly.as_of = whole.as_of
    left join liquidations on hourly.as_of = liquidations.as_of and hourly.asset = liquidations.asset
)

select * from final
