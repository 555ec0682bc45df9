with watched as (
    select * from {{ ref('stg_watched') }}
),

listed as (
    select * from {{ ref('stg_instruments') }}
)

select
    watched.exchange,
    watched.symbol,
    watched.asset,
    listed.contract_size,
    coalesce(listed.contract_kind, 'linear') as contract_kind
from watched
left join listed
    on watched.exchange = listed.exchange and watched.symbol = listed.symbol
