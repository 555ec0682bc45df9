-- A period is expected whole, be the spine shorter: what the warehouse doesn't hold of it was not observed.
with bounds as (
    select * from {{ ref('int_spine_bounds') }}
),

instruments as (
    select * from {{ ref('int_instruments') }}
),

periods as (
    {% for grain in ["day", "week", "month"] -%}
        select
            '{{ grain }}' as grain,
            {{ periods_between("date_trunc('" ~ grain ~ "', first_hour_at)", 'as_of', grain) }} as start_at
        from bounds
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

ended_periods as (
    select
        grain,
        start_at,
        case grain
            {% for grain in ["day", "week", "month"] -%}
                when '{{ grain }}' then {{ period_end_at('start_at', grain) }}
            {% endfor -%}
        end as end_at
    from periods
),

expected_periods as (
    select
        ended_periods.grain,
        cast(ended_periods.start_at as date) as period_start_date,
        instruments.exchange,
        instruments.symbol,
        instruments.asset,
        date_diff(
            'hour',
            ended_periods.start_at,
            least(
                ended_periods.end_at, bounds.as_of, coalesce(date_trunc('hour', instruments.ends_at), bounds.as_of)
            )
        ) as expected_hours
    from ended_periods
    cross join instruments
    cross join bounds
)

select * from expected_periods
where expected_hours > 0
