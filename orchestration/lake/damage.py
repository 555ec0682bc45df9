"""Files that can't be what they should be: which, and where they are set aside.

Here belongs a file by itself. What becomes of the receipts for rows that are lost with it is the matter of `facts`.
"""

import errno
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration import universe
from orchestration.contracts import contract

if TYPE_CHECKING:
    import pyarrow

PLACE = re.compile(r"raw/(?P<dataset>\w+)/exchange=(?P<exchange>[^/]+)/(date=(?P<day>\d{4}-\d\d-\d\d)/)?[^/]+")


@dataclass(frozen=True)
class Damaged:
    """A file of a home, relative to it, and why it can't be read."""

    path: Path
    reason: str

    @property
    def exchange(self) -> str | None:
        """Of which exchange its rows were; None for files that aren't raw facts of one."""
        place = PLACE.fullmatch(self.path.as_posix())
        return place["exchange"] if place else None

    @property
    def dataset(self) -> str:
        """Of which dataset its rows were, or what else it was about: `superseded`, `watched.parquet`."""
        return self.path.parts[1]

    @property
    def day(self) -> date | None:
        """Of which day its rows were; instruments have none."""
        place = PLACE.fullmatch(self.path.as_posix())
        return date.fromisoformat(place["day"]) if place and place["day"] else None

    def __str__(self) -> str:
        return f"{self.path} is damaged ({self.reason})"


def found(home: Path, under: tuple[str, ...] = ("raw", "universe"), whole: bool = False) -> list[Damaged]:
    """The damaged files among raw facts, superseded rows and what dbt reads, receipts first.

    Looks at the end of each file, where Parquet says what it holds (half a second for 4,600 files); with `whole` reads
    every row, which takes ten times as long. `under` are patterns of the home's folders to look in.
    """
    reasons = ((file, fault(home, file, whole)) for file in sorted(_files(home, under)))
    damaged = [Damaged(file.relative_to(home), reason) for file, reason in reasons if reason]
    return sorted(damaged, key=lambda one: one.dataset != "coverage")


def fault(home: Path, file: Path, whole: bool = False) -> str | None:
    """Why a file can't be what it should be; None if it can, or is gone."""
    import pyarrow.parquet

    try:
        return unreadable(file, whole) or _strange(file.relative_to(home).parts, pyarrow.parquet.read_schema(file))
    except FileNotFoundError:  # a writer that it lost its rows to has removed it meanwhile
        return None


def unreadable(file: Path, whole: bool = False) -> str | None:
    """Why a file is no Parquet file that can be read; None if it is one, whatever its columns."""
    import pyarrow.parquet

    if file.is_dir():
        return "a folder"
    try:
        parquet = pyarrow.parquet.ParquetFile(file)
        if whole:
            parquet.read()
    except (pyarrow.ArrowException, OSError) as error:  # Arrow says of most damage that it is an OSError
        if isinstance(error, OSError) and error.errno not in (None, errno.EIO):
            raise
        return "no whole Parquet file" if file.stat().st_size else "empty"
    return None


def set_aside(home: Path, path: Path) -> Path:
    """Moves a file to the same place under quarantine/files; what was set aside before stays."""
    kept = home / "quarantine" / "files" / path
    kept.parent.mkdir(parents=True, exist_ok=True)
    number = 0
    while kept.exists():
        number += 1
        kept = kept.with_name(f"{path.name}.{number}")
    return (home / path).rename(kept)


def _files(home: Path, under: tuple[str, ...]) -> Iterator[Path]:
    for folder in (folder for pattern in under for folder in home.glob(pattern)):
        for file in folder.rglob("[!.]*.parquet"):
            is_of_superseded = file.relative_to(home).parts[:2] == ("raw", "superseded")
            if not (is_of_superseded and file.is_dir()):  # whose folders are called as the files are that they are of
                yield file


def _strange(parts: tuple[str, ...], schema: "pyarrow.Schema") -> str | None:
    """Why the columns are not those of raw facts at this place."""
    dataset = parts[2] if parts[1] == "superseded" else parts[1]
    if parts[0] != "raw" or dataset not in universe.RAW_DATASETS:
        return None
    expected = contract(dataset).arrow_schema
    if lacking := [name for name in expected.names if name not in schema.names]:
        return f"lacks {', '.join(lacking[:3])}"
    kinds = [(field.name, _kind(field.type), _kind(schema.field(field.name).type)) for field in expected]
    others = [f"{name} is {held}, not {kind}" for name, kind, held in kinds if kind != held]
    return others[0] if others else None


def _kind(of: "pyarrow.DataType") -> str:
    """What a column holds, however it is stored."""
    import pyarrow

    types = pyarrow.types
    if types.is_integer(of) or types.is_floating(of) or types.is_decimal(of):
        return "a number"
    if types.is_dictionary(of):
        return _kind(of.value_type)
    is_text = types.is_string(of) or types.is_large_string(of) or types.is_string_view(of)
    return "a text" if is_text else "a moment" if types.is_timestamp(of) else str(of)
