with instruments as (
    select * from {{ ref('int_instruments') }}
),

bounds as (
    select * from {{ ref('int_spine_bounds') }}
),

candles as (
    select * from {{ ref('stg_candles') }}
),

bars as (
    select
        candles.exchange,
        candles.symbol,
        instruments.asset,
        candles.opened_at + interval 1 hour as as_of,
        candles.open,
        candles.high,
        candles.low,
        candles.close
    from candles
    inner join instruments
        on candles.exchange = instruments.exchange and candles.symbol = instruments.symbol
    inner join bounds
        on candles.opened_at < bounds.last_hour_at
),

bars_in_order as (
    select
        *,
        lag(close) over instrument as previous_close,
        lag(as_of) over instrument as previous_as_of
    from bars
    window instrument as (partition by exchange, symbol order by as_of)
)

select
    exchange,
    symbol,
    asset,
    as_of,
    open,
    high,
    low,
    close,
    case when previous_as_of = as_of - interval 1 hour then ln(close / previous_close) end as hourly_log_return
from bars_in_order
