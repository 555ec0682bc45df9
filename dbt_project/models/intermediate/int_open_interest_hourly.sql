with instruments as (
    select * from {{ ref('int_instruments') }}
),

settings as (
    select * from {{ ref('int_settings') }}
),

stamps as (
    select hour_at from {{ ref('int_hours') }}
    union all
    select last_hour_at as hour_at from settings
),

-- the price of the observation's own moment, for exchanges that give only coins or only USD
observed as (
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
    from {{ ref('stg_open_interest') }} as open_interest
    inner join instruments
        on open_interest.exchange = instruments.exchange and open_interest.symbol = instruments.symbol
    left join {{ ref('int_prices_hourly') }} as prices
        on
            open_interest.exchange = prices.exchange
            and open_interest.symbol = prices.symbol
            and date_trunc('hour', open_interest.observed_at) = prices.hour_at
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
    from observed
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

spine as (
    select
        instruments.exchange,
        instruments.symbol,
        stamps.hour_at
    from instruments
    cross join stamps
)

select
    valued.exchange,
    valued.symbol,
    valued.asset,
    spine.hour_at,
    valued.observed_at,
    {{ coins('valued.quantity') }} as quantity,
    case when valued.quantity > 0 then valued.usd / valued.quantity end as price,
    {{ usd('valued.usd') }} as open_interest_usd,
    {{ coins('valued.base') }} as open_interest_base
from spine
asof inner join valued
    on
        spine.exchange = valued.exchange
        and spine.symbol = valued.symbol
        and spine.hour_at >= valued.observed_at
where valued.observed_at >= spine.hour_at - interval 2 hour
