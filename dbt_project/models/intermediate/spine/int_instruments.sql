with watched as (
    select * from {{ ref('stg_watched') }}
),

listed as (
    select * from {{ ref('stg_instruments') }}
),

versions_in_order as (
    select
        *,
        row_number() over (partition by exchange, symbol order by valid_from desc) as versions_since
    from listed
)

select
    watched.exchange,
    watched.symbol,
    watched.asset,
    versions_in_order.contract_size,
    versions_in_order.multiplier,
    versions_in_order.ends_at,
    coalesce(versions_in_order.contract_kind, 'linear') as contract_kind
from watched
left join versions_in_order
    on
        watched.exchange = versions_in_order.exchange
        and watched.symbol = versions_in_order.symbol
        and versions_in_order.versions_since = 1
