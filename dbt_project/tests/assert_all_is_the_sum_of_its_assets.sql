{{ config(meta={'dagster': {'ref': {'name': 'market_daily', 'package': 'market_stress', 'version': none}}}) }}
-- ALL is the sum of the assets, to the cent, at every grain and as of every hour.
with figures as (
    {% for grain in ["daily", "weekly", "monthly"] -%}
        select
            '{{ grain }}' as grain,
            cast(period_start_date as timestamp) as as_of,
            asset,
            long_usd,
            short_usd,
            open_interest_usd,
            price_effect_usd,
            position_effect_usd,
            listing_effect_usd,
            coverage_effect_usd,
            observed_hours
        from {{ ref('market_' ~ grain) }}
        union all
    {% endfor -%}
    select
        'hourly' as grain,
        as_of,
        asset,
        long_usd_24h as long_usd,
        short_usd_30d as short_usd,
        open_interest_usd,
        price_effect_24h_end_to_end_usd as price_effect_usd,
        position_effect_24h_end_to_end_usd as position_effect_usd,
        price_effect_28d_end_to_end_usd as listing_effect_usd,
        position_effect_28d_end_to_end_usd as coverage_effect_usd,
        cast(null as bigint) as observed_hours
    from {{ ref('market_hourly') }}
)

select
    grain,
    as_of
from figures
group by grain, as_of
having
    {% for figure in [
        "long_usd", "short_usd", "open_interest_usd", "price_effect_usd", "position_effect_usd", "listing_effect_usd",
        "coverage_effect_usd", "observed_hours",
    ] -%}
        sum(case when asset = 'ALL' then {{ figure }} end)
        is distinct from sum(case when asset <> 'ALL' then {{ figure }} end)
        {% if not loop.last %}or {% endif -%}
    {% endfor %}
