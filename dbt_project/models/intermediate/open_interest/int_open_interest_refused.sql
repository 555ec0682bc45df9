-- Only where one observation is far from the one before it can anything be wrong, and there are few such jumps. For
-- each of them, taken as if all was well until then, it is worked out which later observation would end it; the walk
-- from jump to end then finds those that really happened. No verdict looks further than its own observation.
with recursive open_interest_sizes as (
    select * from {{ ref('int_open_interest_sizes') }}
),

judged as (
    select
        exchange,
        symbol,
        observed_at,
        size,
        size_unit,
        {{ hour_at_or_after('observed_at') }} as hour_at,
        case
            when observed_at >= ends_at then case when size > 0 then 'after the end of the contract' end
            when least(base, face, usd) = 0 then 'zero open interest of a contract that has not ended'
        end as reason,
        coalesce(observed_at >= ends_at, false) as has_ended
    from open_interest_sizes
),

sized_in_order as (
    select
        *,
        row_number() over series as place,
        lag(size) over series as size_before
    from judged
    where reason is null and not has_ended
    window series as (partition by exchange, symbol, size_unit order by observed_at)
),

jumps as (
    select
        exchange,
        symbol,
        size_unit,
        place,
        size_before as accepted_size
    from sized_in_order
    where size < size_before / 10 or size > size_before * 100
),

beside_the_accepted as (
    select
        jumps.exchange,
        jumps.symbol,
        jumps.size_unit,
        jumps.place as jump_place,
        sized_in_order.place,
        sized_in_order.hour_at,
        case
            when sized_in_order.size < jumps.accepted_size / 10 then 'below'
            when sized_in_order.size > jumps.accepted_size * 100 then 'above'
            else 'near'
        end as side
    from jumps
    inner join sized_in_order
        on
            jumps.exchange = sized_in_order.exchange
            and jumps.symbol = sized_in_order.symbol
            and jumps.size_unit = sized_in_order.size_unit
            and jumps.place <= sized_in_order.place
),

hours_in_order as (
    select
        *,
        lag(side) over jump as side_before,
        lag(hour_at) over jump as hour_before
    from beside_the_accepted
    window jump as (partition by exchange, symbol, size_unit, jump_place order by place)
),

sides_in_order as (
    select
        *,
        sum(case when side = side_before then 0 else 1 end) over (
            partition by exchange, symbol, size_unit, jump_place
            order by place rows between unbounded preceding and current row
        ) as side_number
    from hours_in_order
),

hours_on_a_side as (
    select
        *,
        sum(case when side = side_before and hour_at = hour_before then 0 else 1 end) over (
            partition by exchange, symbol, size_unit, jump_place, side_number
            order by place rows between unbounded preceding and current row
        ) as lasted_hours
    from sides_in_order
),

-- an end that never came is the place after the last
ends_of_jumps as (
    select
        exchange,
        symbol,
        size_unit,
        jump_place,
        coalesce(min(place) filter (where side = 'near' or lasted_hours >= 24), max(place) + 1) as end_place
    from hours_on_a_side
    group by exchange, symbol, size_unit, jump_place
),

next_jumps as (
    select
        ends_of_jumps.exchange,
        ends_of_jumps.symbol,
        ends_of_jumps.size_unit,
        ends_of_jumps.jump_place,
        ends_of_jumps.end_place,
        min(later.jump_place) as next_place
    from ends_of_jumps
    left join ends_of_jumps as later
        on
            ends_of_jumps.exchange = later.exchange
            and ends_of_jumps.symbol = later.symbol
            and ends_of_jumps.size_unit = later.size_unit
            and ends_of_jumps.end_place < later.jump_place
    group by
        ends_of_jumps.exchange,
        ends_of_jumps.symbol,
        ends_of_jumps.size_unit,
        ends_of_jumps.jump_place,
        ends_of_jumps.end_place
),

first_jumps as (
    select
        exchange,
        symbol,
        size_unit,
        min(jump_place) as jump_place
    from ends_of_jumps
    group by exchange, symbol, size_unit
),

refused_stretches as (
    select
        next_jumps.exchange,
        next_jumps.symbol,
        next_jumps.size_unit,
        next_jumps.jump_place,
        next_jumps.end_place,
        next_jumps.next_place
    from next_jumps
    inner join first_jumps
        on
            next_jumps.exchange = first_jumps.exchange
            and next_jumps.symbol = first_jumps.symbol
            and next_jumps.size_unit = first_jumps.size_unit
            and next_jumps.jump_place = first_jumps.jump_place
    union all
    select
        next_jumps.exchange,
        next_jumps.symbol,
        next_jumps.size_unit,
        next_jumps.jump_place,
        next_jumps.end_place,
        next_jumps.next_place
    from refused_stretches
    inner join next_jumps
        on
            refused_stretches.exchange = next_jumps.exchange
            and refused_stretches.symbol = next_jumps.symbol
            and refused_stretches.size_unit = next_jumps.size_unit
            and refused_stretches.next_place = next_jumps.jump_place
),

refused_sizes as (
    select
        hours_on_a_side.exchange,
        hours_on_a_side.symbol,
        hours_on_a_side.size_unit,
        hours_on_a_side.place,
        case hours_on_a_side.side
            when 'below' then 'less than a tenth of the last accepted open interest'
            else 'more than a hundred times the last accepted open interest'
        end as reason
    from hours_on_a_side
    inner join refused_stretches
        on
            hours_on_a_side.exchange = refused_stretches.exchange
            and hours_on_a_side.symbol = refused_stretches.symbol
            and hours_on_a_side.size_unit = refused_stretches.size_unit
            and hours_on_a_side.jump_place = refused_stretches.jump_place
            and hours_on_a_side.place < refused_stretches.end_place
)

select
    exchange,
    symbol,
    observed_at,
    hour_at,
    reason
from judged
where reason is not null
union all
select
    sized_in_order.exchange,
    sized_in_order.symbol,
    sized_in_order.observed_at,
    sized_in_order.hour_at,
    refused_sizes.reason
from refused_sizes
inner join sized_in_order
    on
        refused_sizes.exchange = sized_in_order.exchange
        and refused_sizes.symbol = sized_in_order.symbol
        and refused_sizes.size_unit = sized_in_order.size_unit
        and refused_sizes.place = sized_in_order.place
