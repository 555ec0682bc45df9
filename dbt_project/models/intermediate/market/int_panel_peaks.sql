-- Falls from a peak, each on one panel: the instruments observed now and at the start of the window (for all of
-- history: observed now). A panel's open interest is summed over the hours in which all of it was observed, so an
-- instrument that comes or goes makes no peak and no fall. Panels change rarely, so the sums are made once per panel,
-- not once per hour.
with panel as (
    select * from {{ ref('int_panel_hourly') }}
),

observed_instruments as (
    select
        exchange,
        symbol,
        asset,
        as_of,
        open_interest_usd,
        open_interest_28d_ago_usd,
        open_interest_90d_ago_usd,
        exchange || ':' || symbol as instrument
    from panel
    where open_interest_usd is not null
),

scopes as (
    select
        asset as scope,
        *
    from observed_instruments
    union all
    select
        'ALL' as scope,
        *
    from observed_instruments
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

ever_observed as (
    select distinct instrument from observed_instruments
),

panel_members as (
    select
        distinct_panels.panel_id,
        distinct_panels.last_as_of,
        ever_observed.instrument,
        count(*) over (partition by distinct_panels.panel_id) as size
    from distinct_panels
    inner join ever_observed
        on array_contains(distinct_panels.panel, ever_observed.instrument)
),

panel_totals as (
    select
        panel_members.panel_id,
        observed_instruments.as_of,
        sum(observed_instruments.open_interest_usd) as total_usd
    from panel_members
    inner join observed_instruments
        on
            panel_members.instrument = observed_instruments.instrument
            and panel_members.last_as_of >= observed_instruments.as_of
    group by panel_members.panel_id, panel_members.size, observed_instruments.as_of
    having count(*) = panel_members.size
),

panel_peaks as (
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
    from panel_totals
    window history as (partition by panel_id order by as_of rows unbounded preceding)
),

final as (
    select
        panels.as_of,
        panels.scope as asset,
        max(panels.panel) filter (where panels.span = 'all') as panel,
        max(1 - panel_peaks.total_usd / nullif(panel_peaks.peak_28d_usd, 0)) filter (where panels.span = '28d')
            as fall_from_peak_28d_ratio,
        max(1 - panel_peaks.total_usd / nullif(panel_peaks.peak_90d_usd, 0)) filter (where panels.span = '90d')
            as fall_from_peak_90d_ratio,
        max(1 - panel_peaks.total_usd / nullif(panel_peaks.peak_usd, 0)) filter (where panels.span = 'all')
            as fall_from_peak_all_ratio,
        max(panel_peaks.peak_at) filter (where panels.span = 'all') as peak_at,
        max(panel_peaks.panel_since_at) filter (where panels.span = 'all') as panel_since_at
    from panels
    inner join distinct_panels on panels.panel = distinct_panels.panel
    inner join panel_peaks on distinct_panels.panel_id = panel_peaks.panel_id and panels.as_of = panel_peaks.as_of
    group by panels.as_of, panels.scope
)

select * from final
