-- Falls from a peak, on one chain-linked index per asset and for ALL over all its instruments. Each instrument counts
-- against its own last observation, so neither a listing nor an outage makes a peak or forgets one; what moved while
-- nobody listened is in the first link after it.
with instruments as (
    select * from {{ ref('int_instruments') }}
),

panel as (
    select * from {{ ref('int_panel_hourly') }}
),

last_observed as (
    select
        panel.exchange,
        panel.symbol,
        panel.asset,
        panel.as_of,
        panel.open_interest_usd,
        last_value(panel.open_interest_usd ignore nulls) over (
            partition by panel.exchange, panel.symbol
            order by panel.as_of
            rows between unbounded preceding and 1 preceding
        ) as last_open_interest_usd,
        panel.open_interest_usd is not null or coalesce(panel.as_of <= instruments.ends_at, true) as is_open
    from panel
    inner join instruments
        on panel.exchange = instruments.exchange and panel.symbol = instruments.symbol
),

-- the sum of what those observed now gained or lost, over the last known worth of all that have not ended
links as (
    select
        as_of,
        coalesce(asset, 'ALL') as asset,
        array_sort(array_agg(exchange || ':' || symbol) filter (where open_interest_usd is not null)) as panel,
        1 + coalesce(
            cast(sum(open_interest_usd - last_open_interest_usd) as double)
            / nullif(cast(sum(case when is_open then last_open_interest_usd end) as double), 0),
            0
        ) as growth
    from last_observed
    group by grouping sets ((as_of, asset), (as_of))
),

-- a logarithm knows no zero: once everything is gone, the index stays there
indexes as (
    select
        as_of,
        asset,
        panel,
        case
            when panel is null then null
            when min(growth) over path <= 0 then 0
            else exp(sum(ln(case when growth > 0 then growth end)) over path)
        end as index_level,
        count(panel) over path as observed_hours
    from links
    window path as (partition by asset order by as_of rows unbounded preceding)
),

peaks as (
    select
        as_of,
        asset,
        panel,
        index_level,
        max(index_level) over last_28d as peak_28d,
        max(index_level) over last_90d as peak_90d,
        max(index_level) over history as peak,
        max(index_level) over (
            partition by asset order by as_of rows between unbounded preceding and 1 preceding
        ) as peak_before,
        min(case when observed_hours > 0 then as_of end) over history as index_since_at
    from indexes
    window
        last_28d as (partition by asset order by as_of rows between 672 preceding and current row),
        last_90d as (partition by asset order by as_of rows between 2160 preceding and current row),
        history as (partition by asset order by as_of rows unbounded preceding)
),

final as (
    select
        as_of,
        asset,
        panel,
        index_level,
        case when index_since_at <= as_of - interval 672 hour then 1 - index_level / nullif(peak_28d, 0) end
            as fall_from_peak_28d_ratio,
        case when index_since_at <= as_of - interval 2160 hour then 1 - index_level / nullif(peak_90d, 0) end
            as fall_from_peak_90d_ratio,
        1 - index_level / nullif(peak, 0) as fall_from_peak_all_ratio,
        last_value(case when index_level > coalesce(peak_before, 0) then as_of end ignore nulls) over (
            partition by asset order by as_of rows unbounded preceding
        ) as peak_at,
        index_since_at
    from peaks
)

select * from final
where panel is not null
