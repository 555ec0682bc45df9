{{ config(meta={'dagster': {'ref': {'name': 'market_daily', 'package': 'market_stress', 'version': none}}}) }}
-- A day's change of open interest leads exactly from the close before to its own close, where a close that was not
-- observed counts as zero on either side: what an outage takes away is in the effects and comes back with the exchange.
with market_daily as (
    select * from {{ ref('market_daily') }}
),

days_after_days as (
    select
        period_start_date,
        asset,
        change_usd,
        open_interest_usd,
        lag(open_interest_usd) over (partition by asset order by period_start_date) as previous_usd,
        lag(period_start_date) over (partition by asset order by period_start_date) as previous_date
    from market_daily
)

select *
from days_after_days
where
    previous_date is not null
    and coalesce(change_usd, 0) <> coalesce(open_interest_usd, 0) - coalesce(previous_usd, 0)
