"""The Dagster side, one file per concern; `definitions` collects what each of them defines.

`ingest`, `warehouse`, `quality` and `publish` hold assets, checks and jobs in the order of the data; `resources` what
they share, `runs` which runs live, `launch` how the command line starts them, `serving` the UI and daemon, `storage`
Dagster's own records. What becomes of data is decided in the plain modules, which know nothing of Dagster.
"""
