"""What every run needs, loaded once: the command line's fork server imports this module and runs are forked from it."""

import ccxt  # noqa: F401
import pandera.pandas  # noqa: F401
import pyarrow.parquet  # noqa: F401

from orchestration.defs.launch import loaded

loaded()
