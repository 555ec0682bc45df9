with open_interest_sizes as (
    select * from {{ ref('int_open_interest_sizes') }}
),

refused as (
    select * from {{ ref('int_open_interest_refused') }}
),

prices as (
    select * from {{ ref('int_prices_hourly') }}
),

-- the price of the observation's own moment, for exchanges that give only coins or only USD
accepted as (
    select
        open_interest_sizes.*,
        prices.close
    from open_interest_sizes
    left join refused
        on
            open_interest_sizes.exchange = refused.exchange
            and open_interest_sizes.symbol = refused.symbol
            and open_interest_sizes.observed_at = refused.observed_at
    left join prices
        on
            open_interest_sizes.exchange = prices.exchange
            and open_interest_sizes.symbol = prices.symbol
            and date_trunc('hour', open_interest_sizes.observed_at) = prices.as_of
    where refused.observed_at is null
),

sized as (
    select
        *,
        case contract_kind
            when 'inverse' then coalesce(face, usd, base * close)
            else coalesce(base, usd / close, face)
        end as quantity,
        case contract_kind when 'inverse' then coalesce(base, face / close, usd / close) end as inverse_base
    from accepted
),

valued as (
    select
        exchange,
        symbol,
        asset,
        observed_at,
        ends_at,
        contract_kind,
        quantity,
        case contract_kind when 'inverse' then quantity else coalesce(usd, quantity * close) end as usd,
        {{ coins('quantity') }} as exact_quantity,
        {{ coins('inverse_base') }} as exact_inverse_base
    from sized
)

select
    exchange,
    symbol,
    asset,
    observed_at,
    ends_at,
    exact_quantity as quantity,
    case when quantity > 0 then usd / quantity end as price,
    {{ usd('usd') }} as open_interest_usd,
    case contract_kind when 'inverse' then exact_inverse_base else exact_quantity end as open_interest_base
from valued
