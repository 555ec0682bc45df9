{{ config(meta={'dagster': {'ref': {'name': 'market_hourly', 'package': 'market_stress', 'version': none}}}) }}
-- No as-of row is later than the clock, and every watched asset and ALL has a row at every hour of the spine.
with bounds as (
    select * from {{ ref('int_spine_bounds') }}
),

instruments as (
    select * from {{ ref('int_instruments') }}
),

hours as (
    select * from {{ ref('int_hours') }}
),

market_hourly as (
    select * from {{ ref('market_hourly') }}
),

expected_assets as (
    select distinct asset from instruments
    union all
    select 'ALL' as asset
),

expected_rows as (
    select
        hours.hour_at + interval 1 hour as as_of,
        expected_assets.asset
    from hours
    cross join expected_assets
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
