{# Liquidations and effects of a week or month are the sums of its days, to the cent. #}
{% test market_sums_to_daily(model) %}
{% set grain = {'weekly': 'week', 'monthly': 'month'}[model.identifier.split('_')[-1]] %}
with days as (
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
    from {{ ref('market_daily') }}
    group by cast(date_trunc('{{ grain }}', period_start_date) as date), asset
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
    from {{ model }}
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
{% endtest %}
