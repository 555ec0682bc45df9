"""The warehouse that users open: marts only, published by one rename, read-only ever after.

Here belongs how build.duckdb becomes warehouse.duckdb. Whether it may is decided by the gate (`defs.quality`).
"""

import hashlib
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.lake import damage
from orchestration.lake.files import connect, drafted, literal, only_row, sync

if TYPE_CHECKING:
    import duckdb
    import pandas as pd


BUILD, WAREHOUSE = "build.duckdb", "warehouse.duckdb"


def fingerprint(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def has_pending_changes(home: Path) -> bool:
    """Whether somebody changed build.duckdb and left the change beside it: readers see it, neither hash nor copy do."""
    return (home / f"{BUILD}.wal").exists()


@contextmanager
def copied_build(home: Path) -> Iterator[tuple[Path, str]]:
    """A copy of build.duckdb that nobody else changes, and its sha256; gone with the context.

    What is judged, and what is published, is read from such a copy: of the file itself nobody could say that it is
    still what was hashed. FileNotFoundError with the way out if nothing was built yet.
    """
    if not (home / BUILD).exists():
        raise FileNotFoundError(_missing(home / BUILD))
    with drafted(home / BUILD) as copy:
        shutil.copyfile(home / BUILD, copy)
        yield copy, fingerprint(copy)


def publish(home: Path, build: Path, tables: Mapping[str, "pd.DataFrame"], keep_days: int, now: datetime) -> Path:
    """Publishes the marts of a build and `tables`, frames by the name of their contract, by one rename.

    They are written into a fresh file, since what is dropped from a copy leaves its pages behind; readers see no
    half-built one. Tables and columns keep their comments, those of frames are their contract's. The warehouse before
    stays in published/ for `keep_days` days.
    """
    warehouse = home / WAREHOUSE
    with drafted(warehouse) as draft:
        with connect(draft) as connection:
            connection.execute(f"attach {literal(str(build))} as build (read_only)")
            _copy_marts(connection)
            for name, rows in tables.items():
                _add(connection, name, rows)
            connection.execute("detach build")
            connection.execute("checkpoint")
        sync(draft)
        if warehouse.exists():
            _keep(home, warehouse, now)
        draft.replace(warehouse)
    _forget_old(home / "published", keep_days)
    return warehouse


def _keep(home: Path, warehouse: Path, now: datetime) -> None:
    """The warehouse before stays in published/, a damaged one in quarantine/files."""
    try:
        read_only(home).close()
    except RuntimeError:
        damage.set_aside(home, warehouse.relative_to(home))
        return
    published_at = datetime.fromtimestamp(warehouse.stat().st_mtime, now.tzinfo)
    kept = home / "published" / f"warehouse-{published_at:%Y%m%dT%H%M%S}.duckdb"
    kept.parent.mkdir(exist_ok=True)
    kept.unlink(missing_ok=True)
    kept.hardlink_to(warehouse)


def forget_build(home: Path, built: Collection[str]) -> bool:
    """Removes a build.duckdb that is none of those `built` (sha256) or has a log beside it; whether it did.

    It is damaged, half made or edited, and dbt makes all of it anew: what it would read or keep of it is nothing.
    """
    build, log = home / BUILD, home / f"{BUILD}.wal"
    if not log.exists() and (not build.exists() or fingerprint(build) in built):
        return False
    for file in (build, log):
        file.unlink(missing_ok=True)
    return True


def _copy_marts(connection: "duckdb.DuckDBPyConnection") -> None:
    """The tables of build's schema main, with their constraints, rows and comments."""
    where = "where database_name = 'build' and schema_name = 'main'"
    for table, definition, comment in connection.execute(
        f"select table_name, sql, comment from duckdb_tables() {where}"
    ).fetchall():
        connection.execute(definition)
        connection.execute(f'insert into "{table}" select * from build.main."{table}"')
        _comment(connection, "table", f'"{table}"', comment)
    for table, column, comment in connection.execute(
        f"select table_name, column_name, comment from duckdb_columns() {where} and not internal"
    ).fetchall():
        _comment(connection, "column", f'"{table}"."{column}"', comment)


def _add(connection: "duckdb.DuckDBPyConnection", name: str, rows: "pd.DataFrame") -> None:
    """A table of these rows, in its contract's types: a column without any value has none of its own."""
    from orchestration import contracts

    terms = contracts.contract(name)
    connection.register("rows", rows)
    columns = ", ".join(
        f'cast("{its["name"]}" as {its["physicalType"]}) as "{its["name"]}"' for its in terms.properties
    )
    connection.execute(f'create table "{name}" as select {columns} from rows')
    connection.unregister("rows")
    _comment(connection, "table", f'"{name}"', terms.description)
    for its in terms.properties:
        _comment(connection, "column", f'"{name}"."{its["name"]}"', its["description"])


def _comment(connection: "duckdb.DuckDBPyConnection", kind: str, name: str, comment: str | None) -> None:
    if comment:
        connection.execute(f"comment on {kind} {name} is {literal(comment.strip())}")


def row_counts(home: Path) -> dict[str, int]:
    """Rows of every table in build.duckdb by its name; empty where nothing was built yet."""
    if not (home / BUILD).exists():
        return {}
    with read_only(home, BUILD) as build:
        tables = build.execute("select schema_name, table_name from duckdb_tables() where not internal").fetchall()
        return {
            table: only_row(build.execute(f'select count(*) from "{schema}"."{table}"'))[0] for schema, table in tables
        }


def read_only(home: Path, database: str = WAREHOUSE) -> "duckdb.DuckDBPyConnection":
    """A read-only connection in UTC.

    Raises FileNotFoundError with the way out if nothing was published yet, RuntimeError if the file is damaged or dbt
    is writing it.
    """
    import duckdb

    path = home / database
    if not path.exists():
        raise FileNotFoundError(_missing(path))
    try:
        return connect(path, read_only=True)
    except duckdb.IOException as error:
        if "Could not set lock" in str(error):
            raise RuntimeError(f"{path} is being written: try again when that has ended") from None
        raise RuntimeError(f"{path} is damaged: run `market-stress refresh`, which makes it anew") from None


def _missing(path: Path) -> str:
    return f"{path} does not exist yet: run `market-stress backfill` and `market-stress refresh` first"


def _forget_old(folder: Path, keep_days: int) -> None:
    files: Iterable[Path] = sorted(folder.glob("warehouse-*.duckdb"))
    if not files:
        return
    newest = max(file.stat().st_mtime for file in files)
    for file in files:
        if newest - file.stat().st_mtime > timedelta(days=keep_days).total_seconds():
            file.unlink()
