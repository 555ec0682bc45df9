{# Products are computed in DOUBLE and rounded here once; every sum after that is exact. #}

{% macro usd(figure) -%}
    cast(round({{ figure }}, 6) as decimal(38, 6))
{%- endmacro %}

{% macro coins(figure) -%}
    cast(round({{ figure }}, 12) as decimal(38, 12))
{%- endmacro %}
