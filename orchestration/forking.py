"""The server from which the steps of a run are forked, so that several exchanges are fetched at once and none of them
waits for imports. Here belongs what is loaded in it; who forks from it is decided in `defs.ingest`."""

from multiprocessing import forkserver, get_context

PRELOADED = (
    "ccxt",
    "duckdb",
    "pandera.pandas",
    "pyarrow.parquet",
    "dagster._core.executor.multiprocess",
    "orchestration.ingest",
    "orchestration.defs.launch",
)


def start() -> None:
    """Starts the server of this process where none is running; it loads while we go on, and ends when we do."""
    get_context("forkserver").set_forkserver_preload(list(PRELOADED))
    forkserver.ensure_running()
