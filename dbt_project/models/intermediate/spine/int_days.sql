-- The spine may end before the clock: then an open day ends with the spine, and a day that is over has no stamp there.
with hours as (
    select * from {{ ref('int_hours') }}
),

bounds as (
    select * from {{ ref('int_spine_bounds') }}
),

midnights as (
    select distinct date_trunc('day', hour_at) as start_at
    from hours
)

select
    cast(midnights.start_at as date) as period_start_date,
    midnights.start_at,
    case
        when midnights.start_at + interval 1 day <= bounds.as_of then midnights.start_at + interval 1 day
        else bounds.last_hour_at
    end as end_at
from midnights
cross join bounds
