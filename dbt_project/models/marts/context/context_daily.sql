-- A row tells what was known on its day. A value is carried as long as its series may be silent, never longer.
with bounds as (
    select * from {{ ref('int_spine_bounds') }}
),

declared_series as (
    select * from {{ ref('stg_context_series') }}
),

observations as (
    select * from {{ ref('stg_context') }}
),

coverage as (
    select * from {{ ref('stg_coverage') }}
),

holders_hourly as (
    select * from {{ ref('holders_hourly') }}
),

days as (
    select
        as_of,
        cast(
            {{ periods_between("date_trunc('day', first_hour_at)", 'last_hour_at + interval 1 microsecond', 'day') }} as date
        ) as day
    from bounds
),

series_days as (
    select
        days.as_of,
        days.day,
        declared_series.publisher,
        declared_series.series,
        declared_series.unit,
        declared_series.carried_days
    from days
    cross join declared_series
),

carried as (
    select
        series_days.day,
        series_days.series,
        observations.observed_date,
        observations.value,
        observations.known_at,
        observations.origin,
        row_number() over (
            partition by series_days.day, series_days.series order by observations.observed_date desc
        ) as values_since
    from series_days
    inner join observations
        on
            series_days.publisher = observations.publisher
            and series_days.series = observations.series
            and date_diff('day', observations.observed_date, series_days.day) between 0 and series_days.carried_days
            and cast(observations.known_at as date) <= series_days.day
            and observations.known_at <= series_days.as_of
),

-- of the latest days that anybody asked for, the best answer: a state of coverage only rises
answers as (
    select
        series_days.day,
        series_days.series,
        coverage.state,
        coverage.reason,
        row_number() over (
            partition by series_days.day, series_days.series
            order by
                least(coverage.end_at, cast(series_days.day as timestamp) + interval 1 day) desc,
                case coverage.state when 'complete' then 1 when 'partial' then 2 when 'failed' then 4 else 3 end asc,
                coverage.ingested_at desc
        ) as answers_since
    from series_days
    inner join coverage
        on
            coverage.dataset = 'context'
            and series_days.publisher = coverage.exchange
            and series_days.series = coverage.symbol
            and coverage.start_at < cast(series_days.day as timestamp) + interval 1 day
            and coverage.end_at > cast(series_days.day as timestamp) - series_days.carried_days * interval 1 day
),

holders as (
    select distinct holder
    from {{ ref('holders') }}
),

holder_days as (
    select
        holder,
        cast(as_of as date) as day,
        max(as_of) as as_of
    from holders_hourly
    group by holder, cast(as_of as date)
),

published as (
    select
        series_days.day,
        series_days.series,
        carried.value,
        series_days.unit,
        carried.observed_date,
        carried.known_at,
        series_days.publisher as source,  -- noqa: RF04
        carried.origin,
        case
            when carried.value is not null then null
            when answers.state is null then 'nobody asked ' || series_days.publisher || ' for it'
            when answers.state = 'complete'
                then
                    series_days.publisher || ' has given no value that is at most '
                    || cast(series_days.carried_days as varchar) || ' days old'
            else answers.reason
        end as reason
    from series_days
    left join carried
        on series_days.day = carried.day and series_days.series = carried.series and carried.values_since = 1
    left join answers
        on series_days.day = answers.day and series_days.series = answers.series and answers.answers_since = 1
),

held as (
    select
        days.day,
        'holder:' || holders.holder as series,
        cast(holders_hourly.profit_usd as double) as value,
        'USD' as unit,
        holders_hourly.held_on as observed_date,
        holders_hourly.known_at,
        coalesce(holders_hourly.source, 'announcements') as source,  -- noqa: RF04
        cast(null as varchar) as origin,
        case
            when holders_hourly.as_of is null then 'nothing was announced by then'
            else holders_hourly.reason
        end as reason
    from days
    cross join holders
    left join holder_days
        on days.day = holder_days.day and holders.holder = holder_days.holder
    left join holders_hourly
        on holder_days.as_of = holders_hourly.as_of and holder_days.holder = holders_hourly.holder
)

select
    day as date,  -- noqa: RF04
    series,
    value,
    unit,
    observed_date,
    known_at,
    source,
    origin,
    reason
from published
union all
select
    day as date,  -- noqa: RF04
    series,
    value,
    unit,
    observed_date,
    known_at,
    source,
    origin,
    reason
from held
