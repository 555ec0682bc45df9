{#
    Products are computed in DOUBLE and rounded here once; every sum after that is exact. Coins go by their shortest text,
    since twelve decimals are more than a DOUBLE of a large figure holds: 908525.83 stays 908525.83.
#}

{% macro usd(figure) -%}
    cast(round({{ figure }}, 6) as decimal(38, 6))
{%- endmacro %}

{% macro coins(figure) -%}
    cast(cast({{ figure }} as varchar) as decimal(38, 12))
{%- endmacro %}

{# A sum of DOUBLE figures from the smallest to the largest: the same to the last digit in whatever order they come. #}
{% macro sum_in_order(figure) -%}
    {{ adapter.dispatch("sum_in_order")(figure) }}
{%- endmacro %}

{% macro duckdb__sum_in_order(figure) -%}
    list_sum(list_sort(list({{ figure }})))
{%- endmacro %}

{% macro spark__sum_in_order(figure) -%}
    aggregate(array_sort(collect_list({{ figure }})), cast(0 as double), (total, figure) -> total + figure)
{%- endmacro %}
