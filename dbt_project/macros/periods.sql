{# Calendar periods (`day`, ISO `week` from Monday, `month`) and the as-of clock. #}

{% macro period_end_at(period_start_date, grain) -%}
    cast({{ period_start_date }} as timestamp) + interval 1 {{ grain }}
{%- endmacro %}

{# Hours of the period that have passed. #}
{% macro hours_passed(period_start_date, grain, as_of) -%}
    date_diff(
        'hour',
        cast({{ period_start_date }} as timestamp),
        least({{ period_end_at(period_start_date, grain) }}, {{ as_of }})
    )
{%- endmacro %}

{% macro is_closed(period_start_date, grain, as_of) -%}
    {{ period_end_at(period_start_date, grain) }} <= {{ as_of }}
{%- endmacro %}
