select * from {{ ref('stg_funding_rates') }}
