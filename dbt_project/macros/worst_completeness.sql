{# The worst completeness in a group: missing, then sampled, then totals, then complete. #}
{% macro worst_completeness(completeness) -%}
    case max(case {{ completeness }} when 'complete' then 1 when 'totals' then 2 when 'sampled' then 3 else 4 end)
        when 1 then 'complete' when 2 then 'totals' when 3 then 'sampled' else 'missing'
    end
{%- endmacro %}
