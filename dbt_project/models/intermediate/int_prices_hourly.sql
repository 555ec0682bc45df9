with instruments as (
    select * from {{ ref('int_instruments') }}
),

settings as (
    select * from {{ ref('int_settings') }}
),

bars as (
    select
        candles.exchange,
        candles.symbol,
        instruments.asset,
        candles.opened_at + interval 1 hour as hour_at,
        candles.open,
        candles.high,
        candles.low,
        candles.close
    from {{ ref('stg_candles') }} as candles
    inner join instruments
        on candles.exchange = instruments.exchange and candles.symbol = instruments.symbol
    inner join settings
        on candles.opened_at < settings.last_hour_at
),

followed as (
    select
        *,
        lag(close) over instrument as previous_close,
        lag(hour_at) over instrument as previous_hour_at
    from bars
    window instrument as (partition by exchange, symbol order by hour_at)
)

select
    exchange,
    symbol,
    asset,
    hour_at,
    open,
    high,
    low,
    close,
    case when previous_hour_at = hour_at - interval 1 hour then ln(close / previous_close) end as hourly_log_return
from followed
