{{ rollup_market('month') }}
