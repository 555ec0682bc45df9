{# Observed hours never exceed those that have passed, and nothing is complete with one missing. #}
{% test is_complete_only_if_observed(model) %}
select *
from {{ model }}
where observed_ratio not between 0 and 1 or (is_complete and observed_ratio < 1)
{% endtest %}
