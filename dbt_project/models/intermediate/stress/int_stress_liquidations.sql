-- Which instruments the liquidations part of stress stands on, per stamp, with their 24 h of long liquidations over
-- open interest 24 h earlier. A source whose nature changes begins a new epoch, and an epoch that begins more than 14
-- days after the panel joins it only when it is `warm_up_days` old. Sampled events (lower bounds) stand in only where
-- no panel of complete events or totals was there in the last 28 days: an outage must not swap one nature for the
-- other.
with panel as (
    select * from {{ ref('int_panel_hourly') }}
),

build as (
    select * from {{ ref('stg_build') }}
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

hours_in_epochs as (
    select
        panel.exchange,
        panel.symbol,
        panel.asset,
        panel.as_of,
        panel.long_usd,
        panel.completeness_rank,
        panel.open_interest_24h_ago_usd,
        case
            when panel.is_liquidations_observed then coalesce(bounded_epochs.since_at, timestamp '1970-01-01')
        end as since_at
    from panel
    left join bounded_epochs
        on
            panel.exchange = bounded_epochs.exchange
            and panel.completeness = bounded_epochs.completeness
            and panel.as_of > bounded_epochs.since_at
            and (panel.as_of <= bounded_epochs.until_at or bounded_epochs.until_at is null)
),

instrument_epochs as (
    select
        exchange,
        symbol,
        asset,
        completeness_rank,
        since_at,
        min(as_of) - interval 1 hour as begins_at
    from hours_in_epochs
    where since_at is not null
    group by exchange, symbol, asset, completeness_rank, since_at
),

firsts as (
    select
        *,
        min(begins_at) over (partition by asset) as asset_begins_at,
        min(begins_at) over () as all_begins_at
    from instrument_epochs
),

joinings as (
    select
        firsts.*,
        case
            when firsts.begins_at <= firsts.asset_begins_at + interval 14 day then firsts.begins_at
            else firsts.begins_at + build.warm_up_days * interval 1 day
        end as joins_asset_at,
        case
            when firsts.begins_at <= firsts.all_begins_at + interval 14 day then firsts.begins_at
            else firsts.begins_at + build.warm_up_days * interval 1 day
        end as joins_all_at
    from firsts
    cross join build
),

last_day as (
    select
        hours_in_epochs.exchange || ':' || hours_in_epochs.symbol as instrument,
        hours_in_epochs.asset,
        hours_in_epochs.as_of,
        hours_in_epochs.open_interest_24h_ago_usd,
        count(joinings.begins_at) over day as observed_hours,
        sum(hours_in_epochs.long_usd) over day as long_usd,
        max(hours_in_epochs.completeness_rank) over day as completeness_rank,
        max(joinings.joins_asset_at) over day as joins_asset_at,
        max(joinings.joins_all_at) over day as joins_all_at
    from hours_in_epochs
    left join joinings
        on
            hours_in_epochs.exchange = joinings.exchange
            and hours_in_epochs.symbol = joinings.symbol
            and hours_in_epochs.completeness_rank = joinings.completeness_rank
            and hours_in_epochs.since_at = joinings.since_at
    window day as (
        partition by hours_in_epochs.exchange, hours_in_epochs.symbol
        order by hours_in_epochs.as_of
        rows between 23 preceding and current row
    )
),

panel_candidates as (
    select
        asset as scope,
        *
    from last_day
    where observed_hours = 24 and open_interest_24h_ago_usd is not null and joins_asset_at <= as_of
    union all
    select
        'ALL' as scope,
        *
    from last_day
    where observed_hours = 24 and open_interest_24h_ago_usd is not null and joins_all_at <= as_of
),

by_nature as (
    select
        as_of,
        scope as asset,
        completeness_rank = 2 as is_sampled,
        array_sort(array_agg(instrument)) as liquidations_panel,
        sum(long_usd) / nullif(sum(open_interest_24h_ago_usd), 0) as liquidations_ratio,
        max(completeness_rank) as completeness_rank
    from panel_candidates
    group by as_of, scope, completeness_rank = 2
),

preferred as (
    select
        *,
        bool_or(not is_sampled) over (
            partition by asset order by as_of range between interval 672 hour preceding and current row
        ) as has_better
    from by_nature
),

final as (
    select
        as_of,
        asset,
        liquidations_ratio,
        liquidations_panel,
        case completeness_rank when 0 then 'complete' when 1 then 'totals' else 'sampled' end
            as liquidations_completeness
    from preferred
    where not is_sampled or not has_better
)

select * from final
