-- Every instrument at every stamp of the spine, beside its own past. The spine has no gaps, so a lag of n rows is n
-- hours.
with instruments as (
    select * from {{ ref('int_instruments') }}
),

stamps as (
    select * from {{ ref('int_stamps') }}
),

instrument_open_interest as (
    select * from {{ ref('int_open_interest_hourly') }}
),

prices as (
    select * from {{ ref('int_prices_hourly') }}
),

funding as (
    select * from {{ ref('int_funding_hourly') }}
),

instrument_liquidations as (
    select * from {{ ref('int_liquidations_hourly') }}
),

instruments_at_stamps as (
    select
        instruments.exchange,
        instruments.symbol,
        instruments.asset,
        stamps.as_of,
        coalesce(stamps.as_of > instruments.ends_at, false) as has_ended,
        instrument_open_interest.quantity,
        instrument_open_interest.price as open_interest_price,
        instrument_open_interest.open_interest_usd,
        instrument_open_interest.open_interest_base,
        instrument_open_interest.observed_at as open_interest_observed_at,
        coalesce(instrument_open_interest.is_fresh, false) as is_open_interest_fresh,
        prices.close,
        prices.hourly_log_return,
        funding.annualised as funding_rate_annualised,
        funding.settled_at as funding_settled_at,
        instrument_liquidations.long_usd,
        instrument_liquidations.short_usd,
        coalesce(instrument_liquidations.is_observed, false) as is_liquidations_observed,
        coalesce(instrument_liquidations.completeness, 'missing') as completeness,
        case instrument_liquidations.completeness
            when 'complete' then 0 when 'totals' then 1 when 'sampled' then 2 else 3 end
            as completeness_rank
    from instruments
    cross join stamps
    left join instrument_open_interest
        on
            instruments.exchange = instrument_open_interest.exchange
            and instruments.symbol = instrument_open_interest.symbol
            and stamps.as_of = instrument_open_interest.as_of
    left join prices
        on
            instruments.exchange = prices.exchange
            and instruments.symbol = prices.symbol
            and stamps.as_of = prices.as_of
    left join funding
        on
            instruments.exchange = funding.exchange
            and instruments.symbol = funding.symbol
            and stamps.as_of = funding.as_of
    left join instrument_liquidations
        on
            instruments.exchange = instrument_liquidations.exchange
            and instruments.symbol = instrument_liquidations.symbol
            and stamps.as_of = instrument_liquidations.hour_at + interval 1 hour
),

final as (
    select
        *,
        last_value(open_interest_usd ignore nulls) over (
            partition by exchange, symbol order by as_of rows unbounded preceding
        ) as last_open_interest_usd,
        lag(open_interest_usd, 1) over past as open_interest_1h_ago_usd,
        lag(open_interest_usd, 24) over past as open_interest_24h_ago_usd,
        lag(open_interest_usd, 168) over past as open_interest_7d_ago_usd,
        lag(open_interest_usd, 672) over past as open_interest_28d_ago_usd,
        lag(open_interest_usd, 720) over past as open_interest_30d_ago_usd,
        lag(open_interest_usd, 2160) over past as open_interest_90d_ago_usd,
        lag(quantity, 24) over past as quantity_24h_ago,
        lag(quantity, 672) over past as quantity_28d_ago,
        lag(open_interest_price, 24) over past as open_interest_price_24h_ago,
        lag(open_interest_price, 672) over past as open_interest_price_28d_ago,
        close / nullif(lag(close, 24) over past, 0) - 1 as return_24h_ratio,
        close / nullif(lag(close, 168) over past, 0) - 1 as return_7d_ratio
    from instruments_at_stamps
    window past as (partition by exchange, symbol order by as_of)
)

select * from final
