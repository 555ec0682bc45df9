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

{#
    The stamp at which a period's last figures hold: its end, or while it is open the spine's last stamp. NULL where the
    spine ends before today does, since what a period held on its last days isn't known then.
#}
{% macro last_stamp_at(period_start_date, grain, bounds) -%}
    case
        when {{ is_closed(period_start_date, grain, bounds ~ '.as_of') }}
            then {{ period_end_at(period_start_date, grain) }}
        when {{ bounds }}.last_hour_at >= date_trunc('day', {{ bounds }}.as_of) then {{ bounds }}.last_hour_at
    end
{%- endmacro %}
