with watched as (
    select * from {{ ref('stg_watched') }}
),

instruments as (
    select * from {{ ref('stg_instruments') }}
)

select
    watched.exchange,
    watched.symbol,
    watched.asset,
    instruments.contract_size,
    coalesce(instruments.contract_kind, 'linear') as contract_kind
from watched
left join instruments
    on watched.exchange = instruments.exchange and watched.symbol = instruments.symbol
