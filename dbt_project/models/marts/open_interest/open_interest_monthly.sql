{{ rollup_open_interest('month') }}
