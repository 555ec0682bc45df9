{{ config(meta={'dagster': {'ref': {'name': 'market_daily', 'package': 'market_stress', 'version': none}}}) }}
-- A market figure is the sum over exchanges of what was observed, to the cent.
with figures_of_exchanges as (
    {% for grain in ["daily", "weekly", "monthly"] -%}
        select
            '{{ grain }}' as grain,
            period_start_date,
            asset,
            long_usd,
            short_usd,
            total_usd,
            cast(null as decimal(38, 6)) as open_interest_usd,
            cast(null as decimal(38, 12)) as open_interest_base
        from {{ ref('liquidations_' ~ grain) }}
        union all
        select
            '{{ grain }}' as grain,
            period_start_date,
            asset,
            cast(null as decimal(38, 6)) as long_usd,
            cast(null as decimal(38, 6)) as short_usd,
            cast(null as decimal(38, 6)) as total_usd,
            close_usd as open_interest_usd,
            close_base as open_interest_base
        from {{ ref('open_interest_' ~ grain) }}
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

sums_of_exchanges as (
    select
        grain,
        period_start_date,
        asset,
        sum(long_usd) as long_usd,
        sum(short_usd) as short_usd,
        sum(total_usd) as total_usd,
        sum(open_interest_usd) as open_interest_usd,
        sum(open_interest_base) as open_interest_base
    from figures_of_exchanges
    group by grain, period_start_date, asset
),

figures_of_market as (
    {% for grain in ["daily", "weekly", "monthly"] -%}
        select
            '{{ grain }}' as grain,
            period_start_date,
            asset,
            long_usd,
            short_usd,
            total_usd,
            open_interest_usd,
            open_interest_base
        from {{ ref('market_' ~ grain) }}
        where asset <> 'ALL'
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
)

(
    select * from sums_of_exchanges
    except
    select * from figures_of_market
)
union all
(
    select * from figures_of_market
    except
    select * from sums_of_exchanges
)
