{#
    The end of every sum over a period: which of its hours have passed, how many were observed, whether it is complete.
    Stands behind a CTE, whose name is `sums`, with period_start_date, asset, instruments, observed_hours and
    complete_hours (the expected hours if and only if the period was observed wholly). What is called goes between key
    and end; it may use expected_hours, which end with the contract. `by` is `exchange, asset`, or `asset` with ALL;
    `watched` counts the datasets whose hours are added up.
#}
{% macro rollup_tail(sums, grain, watched=1, by="exchange, asset") %}
{% set expected = "expected_of_market" if by == "asset" else "expected_of_exchanges" %}
{% if by == "asset" -%}
expected_of_market as (
    select
        period_start_date,
        coalesce(asset, 'ALL') as asset,
        sum(expected_hours) as expected_hours
    from instrument_periods
    where grain = '{{ grain }}'
    group by grouping sets ((period_start_date, asset), (period_start_date))
),
{%- else -%}
expected_of_exchanges as (
    select
        period_start_date,
        exchange,
        asset,
        sum(expected_hours) as expected_hours
    from instrument_periods
    where grain = '{{ grain }}'
    group by period_start_date, exchange, asset
),
{%- endif %}

passed_periods as (
    select
        {{ sums }}.*,
        {{ watched }} * {{ expected }}.expected_hours as expected_hours,
        {{ is_closed(sums ~ '.period_start_date', grain, 'bounds.as_of') }} as is_closed
    from {{ sums }}
    inner join {{ expected }}
        on
            {{ sums }}.period_start_date = {{ expected }}.period_start_date
            and {{ sums }}.asset = {{ expected }}.asset
            {% if by != "asset" -%}
                and {{ sums }}.exchange = {{ expected }}.exchange
            {%- endif %}
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
