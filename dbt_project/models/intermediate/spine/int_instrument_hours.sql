with instruments as (
    select * from {{ ref('int_instruments') }}
),

hours as (
    select * from {{ ref('int_hours') }}
)

select
    instruments.exchange,
    instruments.symbol,
    instruments.asset,
    hours.hour_at
from instruments
cross join hours
where instruments.ends_at is null or hours.hour_at + interval 1 hour <= instruments.ends_at
