"""Whole files: Parquet and text that are either the old or the new one; and DuckDB: connections in UTC, single rows.

Here belongs nothing that knows a dataset or a table.
"""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb
    import pyarrow


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
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    pyarrow.parquet.write_table(table, draft, compression="zstd")
    sync(draft)
    draft.replace(path)


def write_text(text: str, path: Path) -> None:
    """Replaces a text file: readers find the old one or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def sync(path: Path) -> None:
    """Waits until the disk has a file."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
