with instrument_liquidations as (
    select * from {{ ref('int_liquidations_hourly') }}
),

asset_liquidations as (
    select
        hour_at,
        exchange,
        asset,
        sum(long_usd) as long_usd,
        sum(short_usd) as short_usd,
        sum(events) as events,
        max(largest_usd) as largest_usd,
        {{ worst_completeness('completeness') }} as completeness,
        sum(case when is_observed then 1 else 0 end) as observed_instruments,
        count(*) as instruments
    from instrument_liquidations
    group by hour_at, exchange, asset
)

select
    hour_at,
    exchange,
    asset,
    cast(long_usd as decimal(38, 6)) as long_usd,
    cast(short_usd as decimal(38, 6)) as short_usd,
    cast(coalesce(long_usd + short_usd, long_usd, short_usd) as decimal(38, 6)) as total_usd,
    cast(events as bigint) as events,
    cast(largest_usd as decimal(38, 6)) as largest_usd,
    completeness,
    cast(observed_instruments as bigint) as observed_instruments,
    cast(instruments as bigint) as instruments,
    observed_instruments = instruments as is_observed,
    observed_instruments < instruments or completeness in ('sampled', 'missing') as is_lower_bound
from asset_liquidations
