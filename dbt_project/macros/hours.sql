{# What engines spell differently about time; everything else in the models is common SQL. #}

{# All hours in [start_at, end_at), one row each. #}
{% macro hours_between(start_at, end_at) -%}
    {{ adapter.dispatch("hours_between")(start_at, end_at) }}
{%- endmacro %}

{% macro duckdb__hours_between(start_at, end_at) -%}
    unnest(range({{ start_at }}, {{ end_at }}, interval 1 hour))
{%- endmacro %}

{% macro spark__hours_between(start_at, end_at) -%}
    explode(filter(sequence({{ start_at }}, {{ end_at }}, interval 1 hour), hour -> hour < {{ end_at }}))
{%- endmacro %}

{# The starts of all days, weeks or months from one start up to a moment, one row each. #}
{% macro periods_between(start_at, end_at, grain) -%}
    {{ adapter.dispatch("periods_between")(start_at, end_at, grain) }}
{%- endmacro %}

{% macro duckdb__periods_between(start_at, end_at, grain) -%}
    unnest(range(cast({{ start_at }} as timestamp), {{ end_at }}, interval 1 {{ grain }}))
{%- endmacro %}

{% macro spark__periods_between(start_at, end_at, grain) -%}
    explode(filter(sequence({{ start_at }}, {{ end_at }}, interval 1 {{ grain }}), start -> start < {{ end_at }}))
{%- endmacro %}

{# The whole hour at or after a moment. #}
{% macro hour_at_or_after(moment) -%}
    date_trunc('hour', {{ moment }} + interval 1 hour - interval 1 microsecond)
{%- endmacro %}

{# The whole hour nearest to a moment: funding stamps carry milliseconds of jitter. #}
{% macro nearest_hour(moment) -%}
    date_trunc('hour', {{ moment }} + interval 30 minute)
{%- endmacro %}
