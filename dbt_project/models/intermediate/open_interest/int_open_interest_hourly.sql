with instruments as (
    select * from {{ ref('int_instruments') }}
),

stamps as (
    select * from {{ ref('int_stamps') }}
),

open_interest as (
    select * from {{ ref('stg_open_interest') }}
),

prices as (
    select * from {{ ref('int_prices_hourly') }}
),

-- the price of the observation's own moment, for exchanges that give only coins or only USD
observations as (
    select
        instruments.exchange,
        instruments.symbol,
        instruments.asset,
        instruments.contract_kind,
        open_interest.observed_at,
        open_interest.open_interest_base as base,
        open_interest.open_interest_usd as usd,
        open_interest.open_interest_contracts * instruments.contract_size as face,
        prices.close
    from open_interest
    inner join instruments
        on open_interest.exchange = instruments.exchange and open_interest.symbol = instruments.symbol
    left join prices
        on
            open_interest.exchange = prices.exchange
            and open_interest.symbol = prices.symbol
            and date_trunc('hour', open_interest.observed_at) = prices.as_of
),

sized as (
    select
        exchange,
        symbol,
        asset,
        observed_at,
        contract_kind,
        close,
        case contract_kind
            when 'inverse' then coalesce(face, usd, base * close)
            else coalesce(base, usd / close, face)
        end as quantity,
        case contract_kind when 'inverse' then coalesce(base, face / close, usd / close) end as inverse_base,
        usd
    from observations
),

valued as (
    select
        exchange,
        symbol,
        asset,
        observed_at,
        quantity,
        case contract_kind when 'inverse' then quantity else coalesce(usd, quantity * close) end as usd,
        case contract_kind when 'inverse' then inverse_base else quantity end as base
    from sized
),

instrument_stamps as (
    select
        instruments.exchange,
        instruments.symbol,
        stamps.as_of
    from instruments
    cross join stamps
),

stamped as (
    select
        valued.exchange,
        valued.symbol,
        valued.asset,
        instrument_stamps.as_of,
        valued.observed_at,
        {{ coins('valued.quantity') }} as quantity,
        case when valued.quantity > 0 then valued.usd / valued.quantity end as price,
        {{ usd('valued.usd') }} as open_interest_usd,
        {{ coins('valued.base') }} as open_interest_base
    from instrument_stamps
    asof inner join valued
        on
            instrument_stamps.exchange = valued.exchange
            and instrument_stamps.symbol = valued.symbol
            and instrument_stamps.as_of >= valued.observed_at
    where valued.observed_at >= instrument_stamps.as_of - interval 2 hour
)

select
    *,
    observed_at > as_of - interval 1 hour and open_interest_usd is not null as is_fresh
from stamped
