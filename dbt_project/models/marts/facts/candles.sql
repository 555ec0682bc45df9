select * from {{ ref('stg_candles') }}
