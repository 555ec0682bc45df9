with source as (
    select * from {{ source('universe', 'watched') }}
),

renamed as (
    select
        exchange,
        asset,
        symbol
    from source
)

select * from renamed
