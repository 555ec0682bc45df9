with hours as (
    select * from {{ ref('int_hours') }}
),

bounds as (
    select * from {{ ref('int_spine_bounds') }}
)

select hour_at as as_of
from hours
union all
select last_hour_at as as_of
from bounds
