{{ config(meta={'dagster': {'ref': {'name': 'market_weekly', 'package': 'market_stress', 'version': none}}}) }}
-- Liquidations and effects of a week are the sums of its days, to the cent.
with days as (
    select
        cast(date_trunc('week', period_start_date) as date) as period_start_date,
        asset,
        sum(long_usd) as long_usd,
        sum(short_usd) as short_usd,
        sum(total_usd) as total_usd,
        sum(change_usd) as change_usd,
        sum(price_effect_usd) as price_effect_usd,
        sum(position_effect_usd) as position_effect_usd,
        sum(listing_effect_usd) as listing_effect_usd,
        sum(coverage_effect_usd) as coverage_effect_usd
    from {{ ref('market_daily') }}
    group by cast(date_trunc('week', period_start_date) as date), asset
),

market as (
    select
        period_start_date,
        asset,
        long_usd,
        short_usd,
        total_usd,
        change_usd,
        price_effect_usd,
        position_effect_usd,
        listing_effect_usd,
        coverage_effect_usd
    from {{ ref('market_weekly') }}
)

(
    select * from days
    except
    select * from market
)
union all
(
    select * from market
    except
    select * from days
)
