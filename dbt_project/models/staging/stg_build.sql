with source as (
    select * from {{ source('universe', 'build') }}
),

renamed as (
    select
        cast(as_of as timestamp) as as_of,
        cast(warm_up_days as integer) as warm_up_days
    from source
)

select * from renamed
