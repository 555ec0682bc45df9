with source as (
    select * from {{ source('universe', 'completeness_epochs') }}
),

renamed as (
    select
        exchange,
        dataset,
        cast(since_at as timestamp) as since_at,
        completeness
    from source
)

select * from renamed
