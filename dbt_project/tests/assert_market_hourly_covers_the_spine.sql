{{ config(meta={'dagster': {'ref': {'name': 'market_hourly', 'package': 'market_stress', 'version': none}}}) }}
-- No as-of row is later than the clock, and every watched asset and ALL has a row at every hour of the spine.
with settings as (
    select * from {{ ref('int_settings') }}
),

expected as (
    select distinct asset from {{ ref('int_instruments') }}
    union all
    select 'ALL' as asset
),

hours as (
    select hour_at + interval 1 hour as as_of from {{ ref('int_hours') }}
),

spine as (
    select
        hours.as_of,
        expected.asset
    from hours
    cross join expected
)

select
    spine.as_of as expected_as_of,
    hourly.as_of,
    hourly.asset
from spine
full outer join {{ ref('market_hourly') }} as hourly
    on spine.as_of = hourly.as_of and spine.asset = hourly.asset
cross join settings
where spine.as_of is null or hourly.as_of is null or hourly.as_of > settings.as_of
