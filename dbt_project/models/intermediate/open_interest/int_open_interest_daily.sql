with instrument_ends as (
    select * from {{ ref('int_open_interest_ends') }}
),

instrument_natures as (
    select * from {{ ref('int_open_interest_natures') }}
),

changes as (
    select
        instrument_ends.*,
        instrument_natures.nature,
        case
            when instrument_natures.nature is not null
                then coalesce(instrument_ends.close_usd, 0) - coalesce(instrument_ends.open_usd, 0)
        end as change_usd
    from instrument_ends
    inner join instrument_natures
        on
            instrument_ends.exchange = instrument_natures.exchange
            and instrument_ends.symbol = instrument_natures.symbol
            and instrument_ends.period_start_date = instrument_natures.period_start_date
),

-- a quantity of zero has no price, and then no price effect either
price_effects as (
    select
        *,
        case
            when nature = 'split' then coalesce({{ usd('open_quantity * (close_price - open_price)') }}, 0)
            when nature is not null then 0
        end as price_effect_usd
    from changes
),

four_effects as (
    select
        *,
        case when nature = 'split' then change_usd - price_effect_usd when nature is not null then 0 end
            as position_effect_usd,
        case when nature = 'listing' then change_usd when nature is not null then 0 end as listing_effect_usd,
        case when nature = 'coverage' then change_usd when nature is not null then 0 end as coverage_effect_usd
    from price_effects
)

select
    exchange,
    symbol,
    asset,
    period_start_date,
    start_at,
    end_at,
    open_quantity,
    close_quantity,
    open_price,
    close_price,
    open_usd,
    close_usd,
    open_base,
    close_base,
    nature,
    cast(change_usd as decimal(38, 6)) as change_usd,
    cast(price_effect_usd as decimal(38, 6)) as price_effect_usd,
    cast(position_effect_usd as decimal(38, 6)) as position_effect_usd,
    cast(listing_effect_usd as decimal(38, 6)) as listing_effect_usd,
    cast(coverage_effect_usd as decimal(38, 6)) as coverage_effect_usd,
    has_ended,
    observed_hours,
    carried_hours,
    expected_hours
from four_effects
