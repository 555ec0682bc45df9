with source as (
    select * from {{ source('raw', 'candles') }}
),

renamed as (
    select
        exchange,
        symbol,
        cast(opened_at as timestamp) as opened_at,
        open,
        high,
        low,
        close,
        volume_base,
        feed,
        cast(ingested_at as timestamp) as ingested_at,
        revision,
        origin
    from source
)

select * from renamed
