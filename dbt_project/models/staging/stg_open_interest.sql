with source as (
    select * from {{ source('raw', 'open_interest') }}
),

renamed as (
    select
        exchange,
        symbol,
        cast(observed_at as timestamp) as observed_at,
        open_interest_contracts,
        open_interest_base,
        open_interest_usd,
        origin
    from source
)

select * from renamed
