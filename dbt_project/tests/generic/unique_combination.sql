{# The columns are a key: no combination twice and no NULL in it. #}
{% test unique_combination(model, columns) %}
select
    {{ columns | join(", ") }},
    count(*) as copies
from {{ model }}
group by {{ columns | join(", ") }}
having count(*) > 1 or {{ columns | join(" is null or ") }} is null
{% endtest %}
