{{ rollup_liquidations('week') }}
