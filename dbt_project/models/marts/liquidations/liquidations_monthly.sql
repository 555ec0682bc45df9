{{ rollup_liquidations('month') }}
