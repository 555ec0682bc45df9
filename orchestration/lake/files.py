"""Whole files: Parquet and text that are either the old or the new one; and DuckDB: connections in UTC, single rows.

Here belongs nothing that knows a dataset or a table.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb
    import pyarrow

DRAFT = re.compile(r"\..+\.(?P<pid>\d+)\.draft(\.wal)?")
UNSIGNED_DRAFTS = ("warehouse.duckdb.draft", "warehouse.duckdb.draft.wal", "build.duckdb.copy")  # of earlier versions


def connect(path: Path | str = ":memory:", read_only: bool = False) -> "duckdb.DuckDBPyConnection":
    """A DuckDB connection whose clock is UTC."""
    import duckdb

    connection = duckdb.connect(path, read_only=read_only)
    connection.execute("set TimeZone = 'UTC'")
    return connection


def only_row(answer: "duckdb.DuckDBPyConnection") -> tuple:
    """The row of an answer that has exactly one, as aggregates have; ValueError for any other number."""
    (row,) = answer.fetchall()
    return row


def table_names(connection: "duckdb.DuckDBPyConnection") -> set[str]:
    """Of the tables that a database has, in whichever schema."""
    return {name for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()}


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def pattern(path: Path) -> str:
    """A path as the pattern that matches it alone: DuckDB's readers take every name for a pattern.

    The sources of dbt say the same in Jinja (dbt_project/models/staging/_staging__sources.yml).
    """
    return re.sub(r"[*?[]", r"[\g<0>]", str(path))


def write_parquet(table: "pyarrow.Table", path: Path) -> None:
    """Writes a file so that it is either the old or the new one, whole, even after a crash."""
    import pyarrow.parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    with drafted(path) as draft:
        pyarrow.parquet.write_table(table, draft, compression="zstd")
        sync(draft)
        draft.replace(path)


def write_text(text: str, path: Path) -> None:
    """Replaces a text file: readers find the old one or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with drafted(path) as draft:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)


@contextmanager
def drafted(path: Path) -> Iterator[Path]:
    """Where to write what becomes a file; nothing of it is left when the context ends, however it ends."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    log = draft.with_name(f"{draft.name}.wal")  # DuckDB's, which it would replay into another file of that name
    for leftover in (draft, log):
        leftover.unlink(missing_ok=True)
    try:
        yield draft
    finally:
        for leftover in (draft, log):
            leftover.unlink(missing_ok=True)


def forget_drafts(home: Path) -> list[Path]:
    """Removes the drafts of processes that no longer live, wherever they lie in a home; returns them."""
    folders = [home, *(home / name for name in ("raw", "universe", "quarantine", "reports", "dagster"))]
    files = [file for folder in folders for file in (folder.glob if folder == home else folder.rglob)(".*.draft*")]
    named = [(file, DRAFT.fullmatch(file.name)) for file in files]
    left = [file for file, name in named if name and not _lives(int(name["pid"]))]
    left += [file for file in (home / name for name in UNSIGNED_DRAFTS) if file.exists()]
    for file in left:
        file.unlink(missing_ok=True)
    return left


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        return True
    return True


def sync(path: Path) -> None:
    """Waits until the disk has a file."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
