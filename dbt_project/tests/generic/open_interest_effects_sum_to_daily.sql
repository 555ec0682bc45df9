{# Effects of a week or month are the sums of its days; what they leave unexplained is coverage. #}
{% test open_interest_effects_sum_to_daily(model) %}
{% set grain = {'weekly': 'week', 'monthly': 'month'}[model.identifier.split('_')[-1]] %}
with open_interest_daily as (
    select * from {{ ref('open_interest_daily') }}
),

sums_of_effects as (
    select
        cast(date_trunc('{{ grain }}', period_start_date) as date) as period_start_date,
        exchange,
        asset,
        coalesce(sum(price_effect_usd), 0) as price_effect_usd,
        coalesce(sum(position_effect_usd), 0) as position_effect_usd,
        coalesce(sum(listing_effect_usd), 0) as listing_effect_usd,
        sum(coverage_effect_usd) as coverage_effect_usd,
        count(*) = count(change_usd) as has_every_change
    from open_interest_daily
    group by cast(date_trunc('{{ grain }}', period_start_date) as date), exchange, asset
)

select
    rolled_up.period_start_date,
    rolled_up.exchange,
    rolled_up.asset
from {{ model }} as rolled_up
left join sums_of_effects
    on
        rolled_up.period_start_date = sums_of_effects.period_start_date
        and rolled_up.exchange = sums_of_effects.exchange
        and rolled_up.asset = sums_of_effects.asset
where
    rolled_up.change_usd is not null
    and (
        rolled_up.price_effect_usd is distinct from sums_of_effects.price_effect_usd
        or rolled_up.position_effect_usd is distinct from sums_of_effects.position_effect_usd
        or rolled_up.listing_effect_usd is distinct from sums_of_effects.listing_effect_usd
        or (sums_of_effects.has_every_change and rolled_up.coverage_effect_usd is distinct from sums_of_effects.coverage_effect_usd)
    )
{% endtest %}
