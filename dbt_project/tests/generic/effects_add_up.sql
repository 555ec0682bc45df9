{# The four effects are the change, to the last decimal; where the change is NULL nothing is claimed. #}
{% test effects_add_up(model) %}
select *
from {{ model }}
where change_usd is distinct from price_effect_usd + position_effect_usd + listing_effect_usd + coverage_effect_usd
{% endtest %}
