{#
    The end of every sum over a period: which of its hours have passed, how many were observed, whether it is complete.
    Stands behind a CTE, whose name is `sums`, with period_start_date, instruments, observed_hours and complete_hours
    (the expected hours if and only if the period was observed wholly). What is called goes between key and end; it may
    use expected_hours. `watched` counts the datasets whose hours are added up.
#}
{% macro rollup_tail(sums, grain, watched=1) %}
passed_periods as (
    select
        {{ sums }}.*,
        {{ watched }} * {{ sums }}.instruments
        * {{ hours_passed(sums ~ '.period_start_date', grain, 'bounds.as_of') }} as expected_hours,
        {{ is_closed(sums ~ '.period_start_date', grain, 'bounds.as_of') }} as is_closed
    from {{ sums }}
    cross join bounds
)

select
    {{ caller() | trim }}
    cast(observed_hours as bigint) as observed_hours,
    cast(expected_hours as bigint) as expected_hours,
    cast(instruments as bigint) as instruments,
    cast(observed_hours as double) / expected_hours as observed_ratio,
    is_closed and complete_hours = expected_hours as is_complete
from passed_periods
{% endmacro %}
