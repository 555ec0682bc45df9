with instruments as (
    select * from {{ ref('int_instruments') }}
),

stamps as (
    select * from {{ ref('int_stamps') }}
),

observations as (
    select * from {{ ref('int_open_interest_observations') }}
),

instrument_stamps as (
    select
        instruments.exchange,
        instruments.symbol,
        stamps.as_of
    from instruments
    cross join stamps
),

stamped as (
    select
        observations.exchange,
        observations.symbol,
        observations.asset,
        instrument_stamps.as_of,
        observations.observed_at,
        observations.quantity,
        observations.price,
        observations.open_interest_usd,
        observations.open_interest_base
    from instrument_stamps
    asof inner join observations
        on
            instrument_stamps.exchange = observations.exchange
            and instrument_stamps.symbol = observations.symbol
            and instrument_stamps.as_of >= observations.observed_at
    where
        observations.observed_at >= instrument_stamps.as_of - interval 2 hour
        -- what a contract held before its end is nothing that it holds after it
        and not (
            coalesce(instrument_stamps.as_of >= observations.ends_at, false)
            and coalesce(observations.observed_at < observations.ends_at, false)
        )
)

select
    *,
    observed_at > as_of - interval 1 hour and open_interest_usd is not null as is_fresh
from stamped
