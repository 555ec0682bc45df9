-- Which instruments the liquidations part of stress stands on, per stamp, with their 24 h of long liquidations over
-- open interest 24 h earlier. A feed whose nature changes begins a new epoch, and an epoch that begins more than 14
-- days after the panel joins it only when it is `warm_up_days` old. Sampled feeds (lower bounds) stand in only where
-- no panel of complete feeds or totals was there in the last 28 days: an outage must not swap one nature for the
-- other.
with panel as (
    select * from {{ ref('int_panel_hourly') }}
),

settings as (
    select * from {{ ref('int_settings') }}
),

feed_epochs as (
    select
        exchange,
        since_at,
        case dataset when 'liquidation_totals' then 'totals' else completeness end as completeness,
        lead(since_at) over (partition by exchange, dataset order by since_at) as until_at
    from {{ ref('stg_feed_epochs') }}
),

hours as (
    select
        panel.exchange,
        panel.symbol,
        panel.asset,
        panel.as_of,
        panel.long_usd,
        panel.completeness_rank,
        panel.open_interest_24h_ago_usd,
        case
            when panel.is_liquidations_observed then coalesce(feed_epochs.since_at, timestamp '1970-01-01')
        end as since_at
    from panel
    left join feed_epochs
        on
            panel.exchange = feed_epochs.exchange
            and panel.completeness = feed_epochs.completeness
            and panel.as_of > feed_epochs.since_at
            and (panel.as_of <= feed_epochs.until_at or feed_epochs.until_at is null)
),

epochs as (
    select
        exchange,
        symbol,
        asset,
        completeness_rank,
        since_at,
        min(as_of) - interval 1 hour as begins_at
    from hours
    where since_at is not null
    group by exchange, symbol, asset, completeness_rank, since_at
),

firsts as (
    select
        *,
        min(begins_at) over (partition by asset) as asset_begins_at,
        min(begins_at) over () as all_begins_at
    from epochs
),

joinings as (
    select
        firsts.*,
        case
            when firsts.begins_at <= firsts.asset_begins_at + interval 14 day then firsts.begins_at
            else firsts.begins_at + settings.warm_up_days * interval 1 day
        end as joins_asset_at,
        case
            when firsts.begins_at <= firsts.all_begins_at + interval 14 day then firsts.begins_at
            else firsts.begins_at + settings.warm_up_days * interval 1 day
        end as joins_all_at
    from firsts
    cross join settings
),

last_day as (
    select
        hours.exchange || ':' || hours.symbol as instrument,
        hours.asset,
        hours.as_of,
        hours.open_interest_24h_ago_usd,
        count(joinings.begins_at) over day as observed_hours,
        sum(hours.long_usd) over day as long_usd,
        max(hours.completeness_rank) over day as completeness_rank,
        max(joinings.joins_asset_at) over day as joins_asset_at,
        max(joinings.joins_all_at) over day as joins_all_at
    from hours
    left join joinings
        on
            hours.exchange = joinings.exchange
            and hours.symbol = joinings.symbol
            and hours.completeness_rank = joinings.completeness_rank
            and hours.since_at = joinings.since_at
    window day as (
        partition by hours.exchange, hours.symbol order by hours.as_of rows between 23 preceding and current row
    )
),

members as (
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
    from members
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
