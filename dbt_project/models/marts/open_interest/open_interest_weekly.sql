{{ rollup_open_interest('week') }}
