with announced as (
    select * from {{ ref('holders') }}
),

stamps as (
    select * from {{ ref('int_stamps') }}
),

market_hourly as (
    select * from {{ ref('market_hourly') }}
),

announced_in_order as (
    select
        *,
        lead(known_at) over (partition by holder order by known_at) as superseded_at
    from announced
)

select
    stamps.as_of,
    announced_in_order.holder,
    announced_in_order.asset,
    announced_in_order.coins,
    announced_in_order.average_cost_usd,
    market_hourly.price as price_usd,
    {{ usd('announced_in_order.coins * (market_hourly.price - announced_in_order.average_cost_usd)') }} as profit_usd,
    announced_in_order.held_on,
    announced_in_order.known_at,
    announced_in_order.source,
    case
        when market_hourly.price is null then 'no price of ' || announced_in_order.asset || ' at this hour'
    end as reason
from stamps
inner join announced_in_order
    on
        stamps.as_of >= announced_in_order.known_at
        and (announced_in_order.superseded_at is null or stamps.as_of < announced_in_order.superseded_at)
left join market_hourly
    on stamps.as_of = market_hourly.as_of and announced_in_order.asset = market_hourly.asset
