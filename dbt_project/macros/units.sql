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

{# A sum of DOUBLE figures that is the same to the last digit whatever the order in which threads bring them. #}
{% macro sum_in_order(figure, position) -%}
    {{ adapter.dispatch("sum_in_order")(figure, position) }}
{%- endmacro %}

{% macro duckdb__sum_in_order(figure, position) -%}
    sum({{ figure }} order by {{ position }})
{%- endmacro %}

{% macro spark__sum_in_order(figure, position) -%}
    aggregate(
        transform(array_sort(array_agg(struct({{ position }}, {{ figure }} as figure))), part -> part.figure),
        cast(0 as double), (total, figure) -> total + coalesce(figure, 0)
    )
{%- endmacro %}
