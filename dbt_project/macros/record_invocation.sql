{#
    Keeps in `main.dbt_invocation` which invocation of dbt last wrote this database and whether all of it succeeded.
    Without `results` it marks the start, so a build that is killed stays unsuccessful.
#}
{% macro record_invocation(results=none) %}
{% if flags.WHICH in ("build", "run", "test", "seed") %}
{% set failed = (results or []) | rejectattr("status", "in", ["success", "pass", "warn", "no-op"]) | list %}
create or replace table main.dbt_invocation as
select
    '{{ invocation_id }}' as invocation_id,
    {{ results is not none and failed | length == 0 }} as is_successful;
comment on table main.dbt_invocation is 'The invocation of dbt that built these tables';
comment on column main.dbt_invocation.invocation_id is 'The id that dbt gave it';
comment on column main.dbt_invocation.is_successful is 'Whether all of it succeeded';
{% endif %}
{% endmacro %}
