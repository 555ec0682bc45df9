{# Liquidations and effects of a week or month are the sums of its days, to the cent. #}
{% test market_sums_to_daily(model) %}
{% set grain = {'weekly': 'week', 'monthly': 'month'}[model.identifier.split('_')[-1]] %}
with market_daily as (
    select * from {{ ref('market_daily') }}
),

sums_of_market_days as (
    select
        cast(date_trunc('{{ grain }}', period_start_date) as date) as period_start_date,
        asset,
        sum(long_usd) as long_usd,
        sum(short_usd) as short_usd,
        sum(total_usd) as total_usd,
        sum(change_usd) as change_usd,
        sum(price_effect_usd) as price_effect_usd,
        sum(position_effect_usd) as position_effect_usd,
        sum(listing_effect_usd) as listing_effect_usd,
        sum(coverage_effect_usd) as coverage_effect_usd
    from market_daily
    group by cast(date_trunc('{{ grain }}', period_start_date) as date), asset
),

rolled_up_market as (
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
    from {{ model }}
)

(
    select * from sums_of_market_days
    except
    select * from rolled_up_market
)
union all
(
    select * from rolled_up_market
    except
    select * from sums_of_market_days
)
{% endtest %}
