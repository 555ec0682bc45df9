with bounds as (
    select * from {{ ref('int_spine_bounds') }}
)

select {{ hours_between('first_hour_at', 'last_hour_at') }} as hour_at
from bounds
