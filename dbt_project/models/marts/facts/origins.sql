with liquidation_events as (
    select * from {{ ref('stg_liquidations') }}
),

liquidation_totals as (
    select * from {{ ref('stg_liquidation_totals') }}
),

open_interest as (
    select * from {{ ref('stg_open_interest') }}
),

candles as (
    select * from {{ ref('stg_candles') }}
),

funding_rates as (
    select * from {{ ref('stg_funding_rates') }}
),

listed as (
    select * from {{ ref('stg_instruments') }}
),

context_observations as (
    select * from {{ ref('stg_context') }}
),

coverage as (
    select * from {{ ref('stg_coverage') }}
)

{% set facts = {
    "liquidations": ["liquidation_events", "occurred_at", "occurred_at"],
    "liquidation_totals": [
        "liquidation_totals", "period_start_at", "period_start_at + period_hours * interval 1 hour"
    ],
    "open_interest": ["open_interest", "observed_at", "observed_at"],
    "candles": ["candles", "opened_at", "opened_at + interval 1 hour"],
    "funding_rates": ["funding_rates", "funded_at", "funded_at"],
    "instruments": ["listed", "ingested_at", "ingested_at"],
    "context": ["context_observations", "cast(observed_date as timestamp)", "cast(observed_date as timestamp)"],
    "coverage": ["coverage", "start_at", "end_at"],
} -%}
{% for dataset, (rows_of_it, first_at, last_at) in facts.items() -%}
    select
        '{{ dataset }}' as dataset,
        {{ "publisher as exchange" if dataset == "context" else "exchange" }},
        origin,
        count(*) as rows,  -- noqa: RF04
        min({{ first_at }}) as first_at,
        max({{ last_at }}) as last_at
    from {{ rows_of_it }}
    group by {{ "publisher" if dataset == "context" else "exchange" }}, origin
    {{ "union all" if not loop.last }}
{% endfor %}
