with source as (
    select * from {{ source('raw', 'liquidation_totals') }}
),

renamed as (
    select
        exchange,
        symbol,
        cast(period_start_at as timestamp) as period_start_at,
        {{ usd('long_usd') }} as long_usd,
        {{ usd('short_usd') }} as short_usd,
        {{ coins('long_base') }} as long_base,
        {{ coins('short_base') }} as short_base
    from source
)

select * from renamed
