{# A folder's schema is its own name, so that the marts are in `main`, where readers look. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name or target.schema }}
{%- endmacro %}
