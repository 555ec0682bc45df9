{# Long and short are the total, and no hour is larger than the whole. #}
{% test sides_add_up(model) %}
select *
from {{ model }}
where total_usd is distinct from long_usd + short_usd or worst_hour_usd > total_usd or largest_usd > worst_hour_usd
{% endtest %}
