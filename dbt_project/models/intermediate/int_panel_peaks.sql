-- Falls from a peak, each on one panel: the instruments observed now and at the start of the window (for all of
-- history: observed now). A panel's open interest is summed over the hours in which all of it was observed, so an
-- instrument that comes or goes makes no peak and no fall. Panels change rarely, so the sums are made once per panel,
-- not once per hour.
with instruments as (
    select
        exchange,
        symbol,
        asset,
        as_of,
        open_interest_usd,
        open_interest_28d_ago_usd,
        open_interest_90d_ago_usd,
        exchange || ':' || symbol as instrument
    from {{ ref('int_panel_hourly') }}
    where open_interest_usd is not null
),

scopes as (
    select
        asset as scope,
        *
    from instruments
    union all
    select
        'ALL' as scope,
        *
    from instruments
),

panels as (
    select
        as_of,
        scope,
        'all' as span,
        array_sort(array_agg(instrument)) as panel
    from scopes
    group by as_of, scope
    union all
    select
        as_of,
        scope,
        '28d' as span,
        array_sort(array_agg(instrument)) as panel
    from scopes
    where open_interest_28d_ago_usd is not null
    group by as_of, scope
    union all
    select
        as_of,
        scope,
        '90d' as span,
        array_sort(array_agg(instrument)) as panel
    from scopes
    where open_interest_90d_ago_usd is not null
    group by as_of, scope
),

distinct_panels as (
    select
        panel,
        max(as_of) as last_as_of,
        row_number() over (order by panel) as panel_id
    from panels
    group by panel
),

known as (
    select distinct instrument from instruments
),

members as (
    select
        distinct_panels.panel_id,
        distinct_panels.last_as_of,
        known.instrument,
        count(*) over (partition by distinct_panels.panel_id) as size
    from distinct_panels
    inner join known
        on array_contains(distinct_panels.panel, known.instrument)
),

totals as (
    select
        members.panel_id,
        instruments.as_of,
        sum(instruments.open_interest_usd) as total_usd
    from members
    inner join instruments
        on members.instrument = instruments.instrument and members.last_as_of >= instruments.as_of
    group by members.panel_id, members.size, instruments.as_of
    having count(*) = members.size
),

peaks as (
    select
        panel_id,
        as_of,
        total_usd,
        max(total_usd) over (
            partition by panel_id order by as_of range between interval 672 hour preceding and current row
        ) as peak_28d_usd,
        max(total_usd) over (
            partition by panel_id order by as_of range between interval 2160 hour preceding and current row
        ) as peak_90d_usd,
        max(total_usd) over history as peak_usd,
        max_by(as_of, total_usd) over history as peak_at,
        min(as_of) over history as panel_since_at
    from totals
    window history as (partition by panel_id order by as_of rows unbounded preceding)
),

final as (
    select
        panels.as_of,
        panels.scope as asset,
        max(panels.panel) filter (where panels.span = 'all') as panel,
        max(1 - peaks.total_usd / nullif(peaks.peak_28d_usd, 0)) filter (where panels.span = '28d')
            as fall_from_peak_28d_ratio,
        max(1 - peaks.total_usd / nullif(peaks.peak_90d_usd, 0)) filter (where panels.span = '90d')
            as fall_from_peak_90d_ratio,
        max(1 - peaks.total_usd / nullif(peaks.peak_usd, 0)) filter (where panels.span = 'all')
            as fall_from_peak_all_ratio,
        max(peaks.peak_at) filter (where panels.span = 'all') as peak_at,
        max(peaks.panel_since_at) filter (where panels.span = 'all') as panel_since_at
    from panels
    inner join distinct_panels on panels.panel = distinct_panels.panel
    inner join peaks on distinct_panels.panel_id = peaks.panel_id and panels.as_of = peaks.as_of
    group by panels.as_of, panels.scope
)

select * from final
