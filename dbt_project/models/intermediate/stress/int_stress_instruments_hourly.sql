-- What each instrument brings to the score's panels, per stamp and whatever the scope. Which of them make a panel, and
-- what their figures come to together, depends on who else is there, so that is settled where ranks are taken
-- (orchestration/score). DOUBLE, since these are only ever divided by each other.
with panel as (
    select * from {{ ref('int_panel_hourly') }}
),

completeness_epochs as (
    select * from {{ ref('stg_completeness_epochs') }}
),

bounded_epochs as (
    select
        exchange,
        since_at,
        case dataset when 'liquidation_totals' then 'totals' else completeness end as completeness,
        lead(since_at) over (partition by exchange, dataset order by since_at) as until_at
    from completeness_epochs
),

-- epochs of one nature don't overlap, so an hour has at most one of its own nature; the latest, were there two
hours_in_epochs as (
    select
        panel.exchange,
        panel.symbol,
        panel.as_of,
        max(bounded_epochs.since_at) as since_at
    from panel
    inner join bounded_epochs
        on
            panel.exchange = bounded_epochs.exchange
            and panel.completeness = bounded_epochs.completeness
            and panel.as_of > bounded_epochs.since_at
            and (panel.as_of <= bounded_epochs.until_at or bounded_epochs.until_at is null)
    where panel.is_liquidations_observed
    group by panel.exchange, panel.symbol, panel.as_of
),

-- what was closed, at the price now: less the position effect of market_hourly. A quantity of zero has no price
closed_positions as (
    select
        exchange,
        symbol,
        as_of,
        case
            when open_interest_usd + open_interest_24h_ago_usd is not null and quantity + quantity_24h_ago is not null
                then coalesce(
                    cast(quantity_24h_ago - quantity as double) * open_interest_price,
                    cast(open_interest_24h_ago_usd - open_interest_usd as double)
                )
        end as closed_24h_usd,
        case
            when open_interest_usd + open_interest_28d_ago_usd is not null and quantity + quantity_28d_ago is not null
                then coalesce(
                    cast(quantity_28d_ago - quantity as double) * open_interest_price,
                    cast(open_interest_28d_ago_usd - open_interest_usd as double)
                )
        end as closed_28d_usd
    from panel
),

final as (
    select
        panel.as_of,
        panel.asset,
        panel.exchange || ':' || panel.symbol as instrument,
        case when panel.is_liquidations_observed then cast(panel.long_usd as double) end as long_usd,
        case when panel.is_liquidations_observed then panel.completeness end as completeness,
        case when panel.is_liquidations_observed then coalesce(hours_in_epochs.since_at, timestamp '1970-01-01') end
            as epoch_at,
        cast(panel.open_interest_usd as double) as open_interest_usd,
        cast(panel.open_interest_24h_ago_usd as double) as open_interest_24h_ago_usd,
        closed_positions.closed_24h_usd,
        closed_positions.closed_28d_usd,
        -- the positions of then at the price of now
        case
            when closed_positions.closed_28d_usd is not null
                then closed_positions.closed_28d_usd + cast(panel.open_interest_usd as double)
        end as start_28d_usd,
        panel.funding_rate_annualised,
        panel.close
    from panel
    inner join closed_positions
        on
            panel.exchange = closed_positions.exchange
            and panel.symbol = closed_positions.symbol
            and panel.as_of = closed_positions.as_of
    left join hours_in_epochs
        on
            panel.exchange = hours_in_epochs.exchange
            and panel.symbol = hours_in_epochs.symbol
            and panel.as_of = hours_in_epochs.as_of
)

select * from final
