with source as (
    select * from {{ source('raw', 'context') }}
),

renamed as (
    select
        source as publisher,
        series,
        observed_date,
        value,
        unit,
        cast(known_at as timestamp) as known_at,
        feed,
        cast(ingested_at as timestamp) as ingested_at,
        revision,
        origin
    from source
)

select * from renamed
