{{ rollup_market('week') }}
