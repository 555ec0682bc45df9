select * from {{ ref('stg_instruments') }}
