{{ config(meta={'dagster': {'ref': {'name': 'market_hourly', 'package': 'market_stress', 'version': none}}}) }}
-- Where the same instruments were observed at both ends, a change of open interest is that between the two hours' rows.
with market_hourly as (
    select * from {{ ref('market_hourly') }}
)

{% for window, hours in [("24h", 24), ("7d", 168), ("28d", 672), ("30d", 720)] -%}
    select
        market_hourly.as_of,
        market_hourly.asset,
        '{{ window }}' as compared_over
    from market_hourly
    inner join market_hourly as past
        on
            market_hourly.asset = past.asset
            and market_hourly.as_of - interval {{ hours }} hour = past.as_of
            and market_hourly.panel = past.panel
    where
        past.open_interest_usd > 0
        and (market_hourly.open_interest_change_{{ window }}_ratio is null or abs(
            market_hourly.open_interest_change_{{ window }}_ratio
            - (market_hourly.open_interest_usd / past.open_interest_usd - 1)
        ) > 1e-9)
    {% if not loop.last %}union all{% endif %}
{% endfor %}
