{# A condition holds in every row; where it is NULL, since a figure is missing, nothing is claimed. #}
{% test holds(model, expression) %}
select *
from {{ model }}
where not ({{ expression }})
{% endtest %}
