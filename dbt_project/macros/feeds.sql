{# Which of several feeds of one nature counts: the first here with a receipt. `lake.facts` keeps an event under it. #}
{% macro feed_preference(feed) -%}
    case when {{ feed }} like 'websocket%' then 1 when {{ feed }} = 'archive' then 2 when {{ feed }} = 'rest' then 3 else 4 end
{%- endmacro %}
