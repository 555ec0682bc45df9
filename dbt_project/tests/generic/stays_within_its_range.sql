{# A stock: open, mean and close lie between low and high, and the change is between open and close. #}
{% test stays_within_its_range(model) %}
select *
from {{ model }}
where
    least(open_usd, close_usd, mean_usd) < low_usd
    or greatest(open_usd, close_usd, mean_usd) > high_usd
    or change_usd is distinct from close_usd - open_usd
{% endtest %}
