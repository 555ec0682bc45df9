with source as (
    select * from {{ source('raw', 'instruments') }}
),

renamed as (
    select
        exchange,
        symbol,
        asset,
        quote,
        settle,
        contract_kind,
        contract_size,
        feed,
        cast(ingested_at as timestamp) as ingested_at,
        revision,
        origin
    from source
)

select * from renamed
