with settings as (
    select * from {{ ref('int_settings') }}
)

select {{ hours_between('first_hour_at', 'last_hour_at') }} as hour_at
from settings
