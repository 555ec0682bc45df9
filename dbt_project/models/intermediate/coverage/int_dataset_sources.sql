with capabilities as (
    select * from {{ ref('stg_capabilities') }}
),

answering as (
    select
        *,
        case dataset when 'liquidation_totals' then 'liquidations' else dataset end as mart_dataset,
        case dataset when 'liquidation_totals' then 2 else 1 end as preference
    from capabilities
    where dataset <> 'instruments'
),

explaining as (
    select
        *,
        is_served or not bool_or(is_served) over (partition by exchange, mart_dataset) as is_explaining
    from answering
)

select
    exchange,
    mart_dataset,
    dataset,
    preference,
    is_explaining,
    case
        when is_served then 'nobody asked for ' || replace(dataset, '_', ' ') || ' of these hours'
        else note
    end as silence
from explaining
