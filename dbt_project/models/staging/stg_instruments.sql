with source as (
    select * from {{ source('raw', 'instruments') }}
),

renamed as (
    select
        exchange,
        symbol,
        cast(valid_from as timestamp) as valid_from,
        asset,
        quote,
        settle,
        contract_kind,
        contract_size,
        multiplier,
        cast(ends_at as timestamp) as ends_at,
        feed,
        cast(ingested_at as timestamp) as ingested_at,
        revision,
        origin
    from source
)

select * from renamed
