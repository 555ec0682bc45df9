with source as (
    select * from {{ source('raw', 'funding_rates') }}
),

renamed as (
    select
        exchange,
        symbol,
        cast(funded_at as timestamp) as funded_at,
        rate,
        interval_hours,
        feed,
        cast(ingested_at as timestamp) as ingested_at,
        revision,
        origin
    from source
)

select * from renamed
