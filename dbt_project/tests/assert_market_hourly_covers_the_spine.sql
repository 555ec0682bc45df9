{{ config(meta={'dagster': {'ref': {'name': 'market_hourly', 'package': 'market_stress', 'version': none}}}) }}
-- No as-of row is later than the clock, and every watched asset and ALL has a row at every hour of the spine until
-- the last of its contracts has ended.
with bounds as (
    select * from {{ ref('int_spine_bounds') }}
),

instrument_hours as (
    select * from {{ ref('int_instrument_hours') }}
),

market_hourly as (
    select * from {{ ref('market_hourly') }}
),

expected_rows as (
    select distinct
        hour_at + interval 1 hour as as_of,
        asset
    from instrument_hours
    union all
    select distinct
        hour_at + interval 1 hour as as_of,
        'ALL' as asset
    from instrument_hours
)

select
    expected_rows.as_of as expected_as_of,
    market_hourly.as_of,
    market_hourly.asset
from expected_rows
full outer join market_hourly
    on expected_rows.as_of = market_hourly.as_of and expected_rows.asset = market_hourly.asset
cross join bounds
where expected_rows.as_of is null or market_hourly.as_of is null or market_hourly.as_of > bounds.as_of
