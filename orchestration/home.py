"""The folders of a home (`$MARKET_STRESS_HOME`) and the file that tells Dagster how to keep its records there.

    raw/<dataset>/exchange=<id>/date=<day>/<segment>.parquet   the current row of every key
    raw/superseded/<same path>/                                the rows that were replaced
    quarantine/                                                the rows that the border refused
    universe/                                                  what dbt reads of what is declared
    build.duckdb                                               the warehouse as dbt builds it; dbt alone writes it
    warehouse.duckdb, published/                               the published one, and those before it
    reports/  dbt/  dagster/                                   the brief; dbt's manifest and logs; Dagster's records

Here belongs where things lie. What is written into them is the matter of `lake`, `brief` and `defs`.
"""

import errno
import os
from pathlib import Path

SECONDS_BETWEEN_LOOKS = 30  # at the runs that haven't ended, by the daemon
DAGSTER_YAML = f"""\
# Written by every market-stress command; changes are lost.
telemetry:
  enabled: false
nux:
  enabled: false
run_monitoring:
  enabled: true
  poll_interval_seconds: {SECONDS_BETWEEN_LOOKS}
  free_slots_after_run_end_seconds: 60
run_launcher:
  module: orchestration.defs.launcher
  class: Launcher
concurrency:
  pools:
    default_limit: 1
storage:
  custom:
    module: orchestration.defs.storage
    class: Storage
    config: {{base_dir: {{env: DAGSTER_HOME}}}}
"""


def prepare(home: Path) -> dict[str, str]:
    """Makes a home that Dagster finds; returns the environment variables that tell it and dbt where.

    OSError that names the folder if nothing can be written there.
    """
    for folder in ("raw", "quarantine", "universe", "reports", "dagster"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    if not os.access(home, os.W_OK):
        raise PermissionError(errno.EROFS, "read-only", str(home))
    terms = home / "dagster" / "dagster.yaml"
    if not terms.exists() or terms.read_text() != DAGSTER_YAML:
        draft = terms.with_name(f".{terms.name}.{os.getpid()}.draft")
        draft.write_text(DAGSTER_YAML)
        draft.replace(terms)
    return {
        "MARKET_STRESS_HOME": str(home),
        "DAGSTER_HOME": str(home / "dagster"),
        "DAGSTER_EVENT_BATCH_SIZE": "100",
    }


def log(home: Path) -> Path:
    """Where Dagster, dbt and other libraries say what they do while the command line works."""
    return home / "dagster" / "cli.log"
