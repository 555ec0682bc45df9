-- A row's contracts are of the size that was valid at its own time; what was before the first known version had its
-- size.
with instruments as (
    select * from {{ ref('int_instruments') }}
),

listed as (
    select * from {{ ref('stg_instruments') }}
),

open_interest as (
    select * from {{ ref('stg_open_interest') }}
),

contract_sizes as (
    select
        exchange,
        symbol,
        case
            when row_number() over (partition by exchange, symbol order by valid_from) > 1 then valid_from
            else timestamp '1970-01-01'
        end as valid_from,
        case contract_kind when 'inverse' then contract_size else contract_size * coalesce(multiplier, 1) end
            as unit_size
    from listed
),

contracts_counted as (
    select
        instruments.exchange,
        instruments.symbol,
        instruments.asset,
        instruments.contract_kind,
        instruments.ends_at,
        open_interest.observed_at,
        open_interest.open_interest_base as base,
        open_interest.open_interest_usd as usd,
        open_interest.open_interest_contracts * contract_sizes.unit_size as face
    from open_interest
    inner join instruments
        on open_interest.exchange = instruments.exchange and open_interest.symbol = instruments.symbol
    asof left join contract_sizes
        on
            open_interest.exchange = contract_sizes.exchange
            and open_interest.symbol = contract_sizes.symbol
            and open_interest.observed_at >= contract_sizes.valid_from
)

select
    *,
    case contract_kind when 'inverse' then coalesce(face, usd, base) else coalesce(base, face, usd) end as size,
    case
        when contract_kind = 'inverse' then case when coalesce(face, usd) is null then 'coins' else 'face' end
        when coalesce(base, face) is null then 'usd'
        else 'coins'
    end as size_unit
from contracts_counted
where coalesce(base, face, usd) is not null
