"""Market Stress: leverage leaving the crypto-derivatives market, measured without lying about coverage.

The rooms of this house, in the order in which a figure walks through them:

- `exchanges`     one folder each: what it serves, its conventions, its reader; paging, retries, limits
- `context`       what surrounds the market: its sources, how they are asked and read
- `universe`      what we watch: exchanges, assets, datasets
- `settings`      what the environment says; `home` the folders of a home
- `contracts`     the border: data_contracts/*.yml as pandera schemas, bad rows quarantined
- `coverage`      receipts: which hours were really observed
- `lake`          where data lives: files, raw facts, what dbt reads of what is declared, publishing
- `listing`       what an exchange lists, held against what it listed before
- `ingest`        from an answer, or a file, to raw facts and a receipt
- `manifest`      dbt's manifest, from which Dagster learns the models
- `score`         panels, ranks and what they add up to: frames in and frames out
- `claims`        figures that others have stated, and the verdict on each
- `expectations`  the Great Expectations suite of the gate
- `brief`         what people read: figures, coverage, charts and page
- `evaluation`    how the score behaved around falls of the market, and what that can't show
- `sandbox`       a local exchange that speaks the real ones' wire formats
- `guard`         whom the UI answers
- `defs`          Dagster, and the only place besides `definitions` that knows it; `forking` what its steps need loaded
- `cli`           `market-stress`, a thin front over the same Dagster jobs
"""
