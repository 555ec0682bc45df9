with source as (
    select * from {{ source('raw', 'liquidations') }}
),

renamed as (
    select
        exchange,
        symbol,
        event_id,
        cast(occurred_at as timestamp) as occurred_at,
        position_side,
        price,
        price_kind,
        {{ coins('quantity_base') }} as quantity_base,
        {{ usd('notional_usd') }} as notional_usd,
        feed,
        origin
    from source
)

select * from renamed
