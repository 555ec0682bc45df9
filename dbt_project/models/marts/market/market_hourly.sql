with bounds as (
    select * from {{ ref('int_spine_bounds') }}
),

panel as (
    select * from {{ ref('int_panel_hourly') }}
),

market as (
    select * from {{ ref('int_market_hourly') }}
),

open_interest_index as (
    select * from {{ ref('int_open_interest_index') }}
),

-- the price effect is rounded once and the position effect is what remains; a quantity of zero has no price to move
split as (
    select
        *,
        case
            when open_interest_usd + open_interest_24h_ago_usd is not null and quantity + quantity_24h_ago is not null
                then coalesce({{ usd('quantity_24h_ago * (open_interest_price - open_interest_price_24h_ago)') }}, 0)
        end as price_effect_24h_usd,
        case
            when open_interest_usd + open_interest_28d_ago_usd is not null and quantity + quantity_28d_ago is not null
                then coalesce({{ usd('quantity_28d_ago * (open_interest_price - open_interest_price_28d_ago)') }}, 0)
        end as price_effect_28d_usd
    from panel
),

-- per asset, and for ALL over every instrument at once
hourly_figures as (
    select
        as_of,
        coalesce(asset, 'ALL') as asset,
        count(*) filter (where not has_ended) as instruments,
        array_sort(array_agg(exchange || ':' || symbol) filter (where close is not null)) as price_panel,
        count(*) filter (where is_liquidations_observed) as observed_instruments,
        max(completeness_rank) filter (where not has_ended) as completeness_rank,
        count(open_interest_usd) filter (where is_open_interest_fresh and not has_ended) as open_interest_observed,
        count(open_interest_usd) filter (where not is_open_interest_fresh and not has_ended) as open_interest_carried,
        array_sort(array_agg(distinct exchange) filter (where open_interest_usd is null and not has_ended))
            as open_interest_lacking,
        max(case when is_liquidations_observed then as_of end) as liquidations_observed_at,
        max(open_interest_observed_at) as open_interest_observed_at,
        max(case when close is not null then as_of end) as candles_observed_at,
        max(funding_settled_at) as funding_rates_observed_at,
        sum(long_usd) as long_usd,
        sum(short_usd) as short_usd,
        sum(open_interest_24h_ago_usd) as weight_24h_usd,
        sum(open_interest_7d_ago_usd) as weight_7d_usd,
        median(return_24h_ratio) as return_24h_ratio,
        median(return_7d_ratio) as return_7d_ratio,
        sum(open_interest_usd) filter (where open_interest_24h_ago_usd is not null)
        / nullif(sum(open_interest_24h_ago_usd) filter (where open_interest_usd is not null), 0)
        - 1 as open_interest_change_24h_ratio,
        sum(open_interest_usd) filter (where open_interest_7d_ago_usd is not null)
        / nullif(sum(open_interest_7d_ago_usd) filter (where open_interest_usd is not null), 0)
        - 1 as open_interest_change_7d_ratio,
        sum(open_interest_usd) filter (where open_interest_28d_ago_usd is not null)
        / nullif(sum(open_interest_28d_ago_usd) filter (where open_interest_usd is not null), 0)
        - 1 as open_interest_change_28d_ratio,
        sum(open_interest_usd) filter (where open_interest_30d_ago_usd is not null)
        / nullif(sum(open_interest_30d_ago_usd) filter (where open_interest_usd is not null), 0)
        - 1 as open_interest_change_30d_ratio,
        sum(price_effect_24h_usd) as price_effect_24h_end_to_end_usd,
        sum(open_interest_usd - open_interest_24h_ago_usd - price_effect_24h_usd)
            as position_effect_24h_end_to_end_usd,
        sum(open_interest_24h_ago_usd) filter (where price_effect_24h_usd is not null) as open_interest_start_24h_usd,
        sum(price_effect_28d_usd) as price_effect_28d_end_to_end_usd,
        sum(open_interest_usd - open_interest_28d_ago_usd - price_effect_28d_usd)
            as position_effect_28d_end_to_end_usd,
        sum(open_interest_28d_ago_usd) filter (where price_effect_28d_usd is not null) as open_interest_start_28d_usd
    from split
    group by grouping sets ((as_of, asset), (as_of))
),

-- the spine has no gaps, so n rows are n hours; hours before it count as not observed. Its first stamp closes no hour
figures_of_hours as (
    select
        hourly_figures.*,
        market.price,
        market.open_interest_usd,
        market.open_interest_base,
        market.watched_usd,
        market.fully_reporting_instruments,
        market.fully_reporting_usd
    from hourly_figures
    inner join market on hourly_figures.as_of = market.as_of and hourly_figures.asset = market.asset
    where hourly_figures.as_of > (select bounds.first_hour_at from bounds) and hourly_figures.instruments > 0
),

windows as (
    select
        *,
        {% for dataset in ["liquidations", "open_interest", "candles", "funding_rates"] -%}
            max({{ dataset }}_observed_at) over past as {{ dataset }}_last_observed_at,
        {% endfor -%}
        {{ full_reporting_ratio(" over last_24h") }} as full_reporting_ratio,
        sum(long_usd) over last_24h as long_usd_24h,
        sum(short_usd) over last_24h as short_usd_24h,
        max(coalesce(long_usd + short_usd, long_usd, short_usd)) over last_24h as worst_hour_usd_24h,
        sum(observed_instruments) over last_24h
        / (sum(instruments) over last_24h + (24 - count(*) over last_24h) * instruments) as observed_ratio_24h,
        case when count(*) over last_24h < 24 then 3 else max(completeness_rank) over last_24h end
            as completeness_rank_24h,
        sum(long_usd) over last_7d as long_usd_7d,
        sum(short_usd) over last_7d as short_usd_7d,
        sum(observed_instruments) over last_7d
        / (sum(instruments) over last_7d + (168 - count(*) over last_7d) * instruments) as observed_ratio_7d,
        case when count(*) over last_7d < 168 then 3 else max(completeness_rank) over last_7d end
            as completeness_rank_7d,
        sum(long_usd) over last_30d as long_usd_30d,
        sum(short_usd) over last_30d as short_usd_30d,
        sum(observed_instruments) over last_30d
        / (sum(instruments) over last_30d + (720 - count(*) over last_30d) * instruments) as observed_ratio_30d,
        case when count(*) over last_30d < 720 then 3 else max(completeness_rank) over last_30d end
            as completeness_rank_30d
    from figures_of_hours
    window
        past as (partition by asset order by as_of rows unbounded preceding),
        last_24h as (partition by asset order by as_of rows between 23 preceding and current row),
        last_7d as (partition by asset order by as_of rows between 167 preceding and current row),
        last_30d as (partition by asset order by as_of rows between 719 preceding and current row)
),

all_returns as (
    select
        as_of,
        'ALL' as asset,
        {{ sum_in_order('return_24h_ratio * weight_24h_usd') }}
        / nullif(sum(weight_24h_usd) filter (where return_24h_ratio is not null), 0) as return_24h_ratio,
        {{ sum_in_order('return_7d_ratio * weight_7d_usd') }}
        / nullif(sum(weight_7d_usd) filter (where return_7d_ratio is not null), 0) as return_7d_ratio
    from hourly_figures
    where asset != 'ALL'
    group by as_of
),

final as (
    select
        windows.as_of,
        windows.asset,
        windows.price,
        case when windows.asset = 'ALL' then all_returns.return_24h_ratio else windows.return_24h_ratio end
            as return_24h_ratio,
        case when windows.asset = 'ALL' then all_returns.return_7d_ratio else windows.return_7d_ratio end
            as return_7d_ratio,
        cast(windows.long_usd_24h as decimal(38, 6)) as long_usd_24h,
        cast(windows.short_usd_24h as decimal(38, 6)) as short_usd_24h,
        cast(windows.long_usd_7d as decimal(38, 6)) as long_usd_7d,
        cast(windows.short_usd_7d as decimal(38, 6)) as short_usd_7d,
        cast(windows.long_usd_30d as decimal(38, 6)) as long_usd_30d,
        cast(windows.short_usd_30d as decimal(38, 6)) as short_usd_30d,
        cast(windows.worst_hour_usd_24h as decimal(38, 6)) as worst_hour_usd_24h,
        cast(windows.observed_ratio_24h as double) as observed_ratio_24h,
        cast(windows.observed_ratio_7d as double) as observed_ratio_7d,
        cast(windows.observed_ratio_30d as double) as observed_ratio_30d,
        case windows.completeness_rank_24h
            when 0 then 'complete' when 1 then 'totals' when 2 then 'sampled' else 'missing'
        end
            as completeness_24h,
        case windows.completeness_rank_7d
            when 0 then 'complete' when 1 then 'totals' when 2 then 'sampled' else 'missing'
        end
            as completeness_7d,
        case windows.completeness_rank_30d
            when 0 then 'complete' when 1 then 'totals' when 2 then 'sampled' else 'missing'
        end
            as completeness_30d,
        {% for window in ["24h", "7d", "30d"] -%}
            windows.observed_ratio_{{ window }} < 1 or windows.completeness_rank_{{ window }} >= 2
                as is_lower_bound_{{ window }},
        {% endfor -%}
        windows.full_reporting_ratio,
        cast(windows.open_interest_usd as decimal(38, 6)) as open_interest_usd,
        cast(windows.open_interest_base as decimal(38, 12)) as open_interest_base,
        cast(windows.open_interest_observed as double) / windows.instruments as open_interest_observed_ratio,
        windows.open_interest_carried,
        coalesce(windows.open_interest_lacking, []) as open_interest_lacking,
        windows.open_interest_lacking is not null as open_interest_is_lower_bound,
        cast(windows.open_interest_change_24h_ratio as double) as open_interest_change_24h_ratio,
        cast(windows.open_interest_change_7d_ratio as double) as open_interest_change_7d_ratio,
        cast(windows.open_interest_change_28d_ratio as double) as open_interest_change_28d_ratio,
        cast(windows.open_interest_change_30d_ratio as double) as open_interest_change_30d_ratio,
        cast(windows.open_interest_start_24h_usd as decimal(38, 6)) as open_interest_start_24h_usd,
        cast(windows.price_effect_24h_end_to_end_usd as decimal(38, 6)) as price_effect_24h_end_to_end_usd,
        cast(windows.position_effect_24h_end_to_end_usd as decimal(38, 6)) as position_effect_24h_end_to_end_usd,
        cast(windows.open_interest_start_28d_usd as decimal(38, 6)) as open_interest_start_28d_usd,
        cast(windows.price_effect_28d_end_to_end_usd as decimal(38, 6)) as price_effect_28d_end_to_end_usd,
        cast(windows.position_effect_28d_end_to_end_usd as decimal(38, 6)) as position_effect_28d_end_to_end_usd,
        cast(open_interest_index.fall_from_peak_28d_ratio as double) as fall_from_peak_28d_ratio,
        cast(open_interest_index.fall_from_peak_90d_ratio as double) as fall_from_peak_90d_ratio,
        cast(open_interest_index.fall_from_peak_all_ratio as double) as fall_from_peak_all_ratio,
        open_interest_index.peak_at,
        open_interest_index.index_since_at,
        coalesce(open_interest_index.panel, []) as panel,
        coalesce(windows.price_panel, []) as price_panel,
        {% for dataset in ["liquidations", "open_interest", "candles", "funding_rates"] -%}
            windows.{{ dataset }}_last_observed_at,
        {% endfor -%}
        cast(windows.instruments as bigint) as instruments
    from windows
    left join open_interest_index
        on windows.as_of = open_interest_index.as_of and windows.asset = open_interest_index.asset
    left join all_returns on windows.as_of = all_returns.as_of and windows.asset = all_returns.asset
)

select * from final
