with source as (
    select * from {{ source('raw', 'liquidation_totals') }}
),

renamed as (
    select
        exchange,
        symbol,
        cast(period_start_at as timestamp) as period_start_at,
        cast(period_hours as integer) as period_hours,
        {{ usd('long_usd') }} as long_usd,
        {{ usd('short_usd') }} as short_usd,
        {{ coins('long_base') }} as long_base,
        {{ coins('short_base') }} as short_base,
        feed,
        origin
    from source
)

select * from renamed
