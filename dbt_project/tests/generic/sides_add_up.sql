{# Long and short are the total (a side that isn't known adds nothing), and no hour is larger than the whole. #}
{% test sides_add_up(model) %}
select *
from {{ model }}
where
    coalesce(total_usd, 0) <> coalesce(long_usd, 0) + coalesce(short_usd, 0)
    or (total_usd is null) <> (coalesce(long_usd, short_usd) is null)
    or worst_hour_usd > total_usd
    or largest_usd > worst_hour_usd
{% endtest %}
