"""The warehouse that users open: published by one rename, read-only ever after.

Here belongs how build.duckdb becomes warehouse.duckdb. Whether it may is decided by the gate (`defs.quality`).
"""

import shutil
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.lake.files import connect, only_row, sync

if TYPE_CHECKING:
    import duckdb
    import pandas as pd


def publish(home: Path, market_stress: "pd.DataFrame", keep_days: int, now: datetime) -> Path:
    """Publishes build.duckdb plus `market_stress` as warehouse.duckdb by one rename, so readers see no half-built file.

    The warehouse before stays in published/ for `keep_days` days.
    """
    warehouse, draft = home / "warehouse.duckdb", home / "warehouse.duckdb.draft"
    shutil.copyfile(home / "build.duckdb", draft)
    with connect(draft) as connection:
        connection.register("market_stress_rows", market_stress)
        connection.execute("create or replace table main.market_stress as select * from market_stress_rows")
        connection.execute("drop schema if exists staging cascade")
        connection.unregister("market_stress_rows")
        connection.execute("checkpoint")
    sync(draft)
    if warehouse.exists():
        kept = (
            home
            / "published"
            / f"warehouse-{datetime.fromtimestamp(warehouse.stat().st_mtime, now.tzinfo):%Y%m%dT%H%M%S}.duckdb"
        )
        kept.parent.mkdir(exist_ok=True)
        kept.unlink(missing_ok=True)
        kept.hardlink_to(warehouse)
    draft.replace(warehouse)
    _forget_old(home / "published", keep_days)
    return warehouse


def row_counts(home: Path) -> dict[str, int]:
    """Rows of every table in build.duckdb by its name; empty where nothing was built yet."""
    if not (home / "build.duckdb").exists():
        return {}
    with read_only(home, "build.duckdb") as build:
        tables = build.execute("select schema_name, table_name from duckdb_tables() where not internal").fetchall()
        return {
            table: only_row(build.execute(f'select count(*) from "{schema}"."{table}"'))[0] for schema, table in tables
        }


def read_only(home: Path, database: str = "warehouse.duckdb") -> "duckdb.DuckDBPyConnection":
    """A read-only connection in UTC; FileNotFoundError with the way out if nothing was published yet."""
    path = home / database
    if not path.exists():
        raise FileNotFoundError(
            f"{path} does not exist yet: run `market-stress backfill` and `market-stress refresh` first"
        )
    return connect(path, read_only=True)


def _forget_old(folder: Path, keep_days: int) -> None:
    files: Iterable[Path] = sorted(folder.glob("warehouse-*.duckdb"))
    if not files:
        return
    newest = max(file.stat().st_mtime for file in files)
    for file in files:
        if newest - file.stat().st_mtime > timedelta(days=keep_days).total_seconds():
            file.unlink()
