-- A row tells what was known on its day. A value is carried as long as its series may be silent, never longer.
with bounds as (
    select * from {{ ref('int_spine_bounds') }}
),

declared_series as (
    select * from {{ ref('stg_context_series') }}
),

context_observations as (
    select * from {{ ref('stg_context') }}
),

coverage as (
    select * from {{ ref('stg_coverage') }}
),

announced as (
    select * from {{ ref('holders') }}
),

holders_hourly as (
    select * from {{ ref('holders_hourly') }}
),

starts_of_context_days as (
    select
        as_of,
        {{ periods_between('first_hour_at', 'last_hour_at + interval 1 microsecond', 'day') }} as start_at
    from bounds
),

context_days as (
    select
        as_of,
        cast(start_at as date) as context_date,
        start_at + interval 1 day as end_at
    from starts_of_context_days
),

series_days as (
    select
        context_days.as_of,
        context_days.context_date,
        context_days.end_at,
        declared_series.publisher,
        declared_series.series,
        declared_series.unit,
        declared_series.carried_days,
        cast(context_days.context_date - declared_series.carried_days * interval 1 day as date) as oldest_date
    from context_days
    cross join declared_series
),

carried as (
    select
        series_days.context_date,
        series_days.series,
        context_observations.observed_date,
        context_observations.value,
        context_observations.known_at,
        context_observations.origin,
        row_number() over (
            partition by series_days.context_date, series_days.series order by context_observations.observed_date desc
        ) as values_since
    from series_days
    inner join context_observations
        on
            series_days.publisher = context_observations.publisher
            and series_days.series = context_observations.series
            and series_days.context_date >= context_observations.observed_date
            and series_days.oldest_date <= context_observations.observed_date
            and series_days.end_at > context_observations.known_at
            and series_days.as_of >= context_observations.known_at
),

-- of the latest days that anybody asked for, the best answer: a state of coverage only rises
answers as (
    select
        series_days.context_date,
        series_days.series,
        coverage.state,
        coverage.reason,
        row_number() over (
            partition by series_days.context_date, series_days.series
            order by
                least(coverage.end_at, series_days.end_at) desc,
                case coverage.state when 'complete' then 1 when 'partial' then 2 when 'failed' then 4 else 3 end asc,
                coverage.ingested_at desc
        ) as answers_since
    from series_days
    inner join coverage
        on
            coverage.dataset = 'context'
            and series_days.publisher = coverage.exchange
            and series_days.series = coverage.symbol
            and series_days.end_at > coverage.start_at
            and series_days.oldest_date < coverage.end_at
),

holders as (
    select distinct holder
    from announced
),

holder_days as (
    select
        holder,
        cast(as_of as date) as context_date,
        max(as_of) as as_of
    from holders_hourly
    group by holder, cast(as_of as date)
),

asked_for as (
    select
        series_days.context_date,
        series_days.series,
        carried.value,
        series_days.unit,
        carried.observed_date,
        carried.known_at,
        series_days.publisher as told_by,
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
        on
            series_days.context_date = carried.context_date
            and series_days.series = carried.series
            and carried.values_since = 1
    left join answers
        on
            series_days.context_date = answers.context_date
            and series_days.series = answers.series
            and answers.answers_since = 1
),

held as (
    select
        context_days.context_date,
        'holder:' || holders.holder as series,
        cast(holders_hourly.profit_usd as double) as value,  -- noqa: RF04
        'USD' as unit,
        holders_hourly.held_on as observed_date,
        holders_hourly.known_at,
        coalesce(holders_hourly.source, 'announcements') as told_by,
        cast(null as varchar) as origin,
        case
            when holders_hourly.as_of is null then 'nothing was announced by then'
            else holders_hourly.reason
        end as reason
    from context_days
    cross join holders
    left join holder_days
        on context_days.context_date = holder_days.context_date and holders.holder = holder_days.holder
    left join holders_hourly
        on holder_days.as_of = holders_hourly.as_of and holder_days.holder = holders_hourly.holder
),

told as (
    select * from asked_for
    union all
    select * from held
)

select
    context_date as date,  -- noqa: RF04
    series,
    value,
    unit,
    observed_date,
    known_at,
    told_by as source,  -- noqa: RF04
    origin,
    reason
from told
