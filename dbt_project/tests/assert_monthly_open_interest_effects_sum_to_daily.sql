{{ config(meta={'dagster': {'ref': {'name': 'open_interest_monthly', 'package': 'market_stress', 'version': none}}}) }}

with months as (
    select
        cast(date_trunc('month', period_start_date) as date) as period_start_date,
        exchange,
        asset,
        coalesce(sum(price_effect_usd), 0) as price_effect_usd,
        coalesce(sum(position_effect_usd), 0) as position_effect_usd,
        coalesce(sum(listing_effect_usd), 0) as listing_effect_usd,
        sum(coverage_effect_usd) as coverage_effect_usd,
        count(*) = count(change_usd) as has_every_change
    from {{ ref('open_interest_daily') }}
    group by cast(date_trunc('month', period_start_date) as date), exchange, asset
)

select
    rolled_up.period_start_date,
    rolled_up.exchange,
    rolled_up.asset
from {{ ref('open_interest_monthly') }} as rolled_up
left join months
    on
        rolled_up.period_start_date = months.period_start_date
        and rolled_up.exchange = months.exchange
        and rolled_up.asset = months.asset
where
    rolled_up.change_usd is not null
    and (
        rolled_up.price_effect_usd is distinct from months.price_effect_usd
        or rolled_up.position_effect_usd is distinct from months.position_effect_usd
        or rolled_up.listing_effect_usd is distinct from months.listing_effect_usd
        or (months.has_every_change and rolled_up.coverage_effect_usd is distinct from months.coverage_effect_usd)
    )
