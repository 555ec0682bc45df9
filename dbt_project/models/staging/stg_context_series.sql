with source as (
    select * from {{ source('universe', 'context_series') }}
),

renamed as (
    select
        source as publisher,
        series,
        unit,
        cast(carried_days as integer) as carried_days
    from source
)

select * from renamed
