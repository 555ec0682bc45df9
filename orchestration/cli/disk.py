"""What a disk doesn't give: room, leave to write, or the bytes that were written; each said in one line.

Here belong estimates and the reading of errors. That nothing is lost is the matter of whoever writes.
"""

import errno
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from orchestration.cli.terminal import complain

MEGABYTE = 1_000_000
RECORDS = 20 * MEGABYTE  # of a run, and what libraries log of it
PAGES = 10 * MEGABYTE  # of the brief, or of the card
BYTES_PER_ROW, BYTES_PER_PARTITION = 100, 14_000  # measured: raw facts, and Dagster's record of a day of a dataset
FULL = ("No space left", "disk is full", "Disk quota")  # as Python and DuckDB, SQLite, and either say it
READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


def needed_to_fetch(days: int, datasets: int, symbols: int) -> int:
    """Bytes that a backfill of so many days, datasets of exchanges and symbols of each takes at most."""
    return RECORDS + days * datasets * (BYTES_PER_PARTITION + 24 * symbols * BYTES_PER_ROW)


def needed_to_import(files: list[str]) -> int:
    """Bytes that an import takes: the rows, and those that they replace."""
    return RECORDS + 2 * sum(Path(file).stat().st_size for file in files)


def needed_to_refresh(home: Path) -> int:
    """Bytes that a refresh takes: the build, a copy of it, the warehouse in the making, and pages."""
    build, raw = home / "build.duckdb", home / "raw"
    held = build.stat().st_size if build.exists() else 2 * sum(file.stat().st_size for file in raw.rglob("*.parquet"))
    return RECORDS + PAGES + 2 * held


@contextmanager
def room(home: Path, needed: int) -> Iterator[None]:
    """For what needs so many bytes in a home. RuntimeError if less is free, before or while it goes on."""
    folder = next(folder for folder in (home, *home.parents) if folder.exists())
    lacks = f"no space left: needs about {-(-needed // MEGABYTE):,} MB in {home}"
    if (free := shutil.disk_usage(folder).free) < needed:
        raise RuntimeError(f"{lacks}, {free // MEGABYTE:,} MB are free")
    try:
        yield
    except typer.Exit:  # a run failed; what it wrote may be gone again, and others' files are not
        if shutil.disk_usage(folder).free < needed:
            complain(lacks)
        raise
    except Exception as error:
        if any(words in str(error) for words in FULL):
            raise RuntimeError(lacks) from error
        raise


def told(error: Exception) -> tuple[str, int] | None:
    """(line, exit code) for an error that a disk made; None for any other."""
    if isinstance(error, OSError) and error.errno in READ_ONLY:
        if Path(str(error.filename)).exists() and not os.access(str(error.filename), os.R_OK):
            return f"{error.filename} may not be read: give this user leave to", 2
        return f"{error.filename} is read-only: make it writable, or name another folder", 2
    if any(words in str(error) for words in FULL):
        return f"no space left: {_first_line(error)}", 1
    duckdb = sys.modules.get("duckdb")  # heavy, and who has not loaded it has none of its errors
    if duckdb and isinstance(error, duckdb.IOException):
        return f"{_first_line(error)}: damaged; `market-stress refresh` makes it anew", 1
    return None


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].removeprefix("IO Error: ")
