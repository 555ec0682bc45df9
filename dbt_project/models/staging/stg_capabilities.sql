with source as (
    select * from {{ source('universe', 'capabilities') }}
),

renamed as (
    select
        exchange,
        dataset,
        is_served,
        note
    from source
)

select * from renamed
