-- Stocks of one moment may be added, stocks of different moments may not: whatever is observed at any moment stands
-- beside what was last seen of the others. With one instrument these are its own observations.
with instruments as (
    select * from {{ ref('int_instruments') }}
),

observations as (
    select * from {{ ref('int_open_interest_observations') }}
),

moments as (
    select distinct
        exchange,
        asset,
        observed_at
    from observations
),

instruments_at_moments as (
    select
        moments.exchange,
        moments.asset,
        moments.observed_at,
        instruments.symbol,
        instruments.ends_at,
        coalesce(instruments.ends_at <= moments.observed_at, false) as has_ended
    from moments
    inner join instruments on moments.exchange = instruments.exchange and moments.asset = instruments.asset
),

last_observations as (
    select
        instruments_at_moments.exchange,
        instruments_at_moments.asset,
        instruments_at_moments.observed_at,
        instruments_at_moments.has_ended,
        case
            when
                observations.observed_at >= instruments_at_moments.observed_at - interval 2 hour
                and (not instruments_at_moments.has_ended or observations.observed_at >= observations.ends_at)
                then 1
        end as is_held,
        observations.open_interest_usd,
        observations.open_interest_base
    from instruments_at_moments
    asof left join observations
        on
            instruments_at_moments.exchange = observations.exchange
            and instruments_at_moments.symbol = observations.symbol
            and instruments_at_moments.observed_at >= observations.observed_at
)

select
    exchange,
    asset,
    observed_at,
    sum(open_interest_usd * is_held) as usd,
    sum(open_interest_base * is_held) as base,
    count(open_interest_usd * is_held) filter (where not has_ended)
    < count(*) filter (where not has_ended) as is_lower_bound
from last_observations
group by exchange, asset, observed_at
