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

{# A mean of rates weighted by open interest, or equally where none of them has any. #}
{% macro mean_rate(rate, open_interest_usd) -%}
    coalesce(
        {{ sum_in_order(rate ~ ' * ' ~ open_interest_usd) }}
        / nullif(sum({{ open_interest_usd }}) filter (where {{ rate }} is not null), 0),
        {{ sum_in_order(rate) }} / nullif(count({{ rate }}), 0)
    )
{%- endmacro %}

{# By what mean_rate weighs. #}
{% macro weighting(rate, open_interest_usd) -%}
    case
        when sum({{ open_interest_usd }}) filter (where {{ rate }} is not null) > 0 then 'open_interest'
        when count({{ rate }}) > 0 then 'equal'
    end
{%- endmacro %}

{# The share of what is watched that reports every liquidation: of contracts, where no open interest is known. #}
{% macro full_reporting_ratio(over="", of="") -%}
    coalesce(
        cast(coalesce(sum({{ of }}fully_reporting_usd){{ over }}, 0) as double)
        / nullif(sum({{ of }}watched_usd){{ over }}, 0),
        cast(sum({{ of }}fully_reporting_instruments){{ over }} as double)
        / nullif(sum({{ of }}instruments){{ over }}, 0)
    )
{%- endmacro %}
