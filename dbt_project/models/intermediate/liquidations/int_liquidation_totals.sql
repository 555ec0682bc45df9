-- Sums that somebody else made of an exchange's feed are worth what the feed was worth then; only an exchange that
-- publishes totals of its own gives totals.
with completeness_epochs as (
    select * from {{ ref('stg_completeness_epochs') }}
),

capabilities as (
    select * from {{ ref('stg_capabilities') }}
),

liquidation_totals as (
    select * from {{ ref('stg_liquidation_totals') }}
),

event_epochs as (
    select
        exchange,
        completeness,
        since_at
    from completeness_epochs
    where dataset = 'liquidations'
),

publishers_of_totals as (
    select exchange
    from capabilities
    where dataset = 'liquidation_totals' and is_served
    union distinct
    select exchange
    from completeness_epochs
    where dataset = 'liquidation_totals'
)

select
    liquidation_totals.exchange,
    liquidation_totals.symbol,
    liquidation_totals.period_start_at,
    liquidation_totals.period_hours,
    liquidation_totals.long_usd,
    liquidation_totals.short_usd,
    case
        when publishers_of_totals.exchange is not null then 'totals'
        else coalesce(event_epochs.completeness, 'sampled')
    end as completeness
from liquidation_totals
left join publishers_of_totals
    on liquidation_totals.exchange = publishers_of_totals.exchange
asof left join event_epochs
    on
        liquidation_totals.exchange = event_epochs.exchange
        and liquidation_totals.period_start_at >= event_epochs.since_at
