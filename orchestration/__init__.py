"""Market Stress: leverage leaving the crypto-derivatives market, measured without lying about coverage.

The rooms of this house, in the order in which a figure walks through them:

- `universe`      what we watch: exchanges, assets, and what each exchange's feeds are worth
- `exchanges`     native rows in, contract rows out; paging, retries, limits
- `contracts`     the border: data_contracts/*.yml as pandera schemas, bad rows quarantined
- `coverage`      receipts: which hours were really observed
- `lake`          where data lives: raw facts, quarantine, publishing, read-only connections
- `stress`        the score, frames in and frames out
- `expectations`  the Great Expectations suite of the gate
- `brief`         what people read: figures, coverage, charts and page
- `sandbox`       a local exchange that speaks the real ones' wire formats
- `defs`          Dagster, and the only place besides `definitions` that knows it
- `cli`           `market-stress`, a thin front over the same Dagster jobs
"""
