{{ config(meta={'dagster': {'ref': {'name': 'open_interest_daily', 'package': 'market_stress', 'version': none}}}) }}

with open_interest_daily as (
    select * from {{ ref('open_interest_daily') }}
)

select
    today.period_start_date,
    today.exchange,
    today.asset,
    yesterday.close_usd as close_before_usd,
    today.open_usd
from open_interest_daily as today
inner join open_interest_daily as yesterday
    on
        today.exchange = yesterday.exchange
        and today.asset = yesterday.asset
        and today.period_start_date = yesterday.period_start_date + 1
where today.open_usd is distinct from yesterday.close_usd or today.open_base is distinct from yesterday.close_base
