with source as (
    select * from {{ source('raw', 'coverage') }}
),

renamed as (
    select
        exchange,
        dataset,
        symbol,
        cast(start_at as timestamp) as start_at,
        cast(end_at as timestamp) as end_at,
        feed,
        state,
        reason,
        cast(ingested_at as timestamp) as ingested_at,
        revision,
        origin
    from source
)

select * from renamed
