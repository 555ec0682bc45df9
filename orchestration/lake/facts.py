"""Raw facts: the current row of every key as Parquet, the rows they replaced, the rows that the border refused.

Here belong merging and reading. What a row must look like is `contracts`' matter; what was observed `coverage`'s.
"""

import fcntl
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from orchestration import universe
from orchestration.contracts import Contract, contract
from orchestration.lake.files import connect, literal, only_row, pattern, write_parquet

if TYPE_CHECKING:
    import duckdb
    import pyarrow


# Of several feeds that brought the events of an hour, the first here with a receipt counts (dbt's feed_preference).
FEEDS_IN_ORDER = ("websocket", "archive", "rest", "import")


@dataclass(frozen=True)
class Written:
    """Rows of one write: `new` keys, `changed` measures, and the others, `unchanged`, which are not written again."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0

    def __add__(self, other: "Written") -> "Written":
        return Written(self.new + other.new, self.changed + other.changed, self.unchanged + other.unchanged)


def prepare(home: Path) -> None:
    """Creates the zero-row file of every dataset: a glob without files fails in DuckDB."""
    for dataset in universe.RAW_DATASETS:
        empty = home / "raw" / dataset / "empty.parquet"
        if not empty.exists():
            write_parquet(contract(dataset).arrow_schema.empty_table(), empty)


def write(
    home: Path,
    dataset: str,
    rows: pd.DataFrame,
    channel: str,
    now: datetime,
    *,
    origin: str = "live",
    segment: str | None = None,
) -> Written:
    """Merges validated rows into the raw facts by key; the newest observation wins and what it replaces is kept.

    `rows` are the good rows of `contracts.validate`; `channel` is how they came (rest, import) and becomes `feed`,
    `now` becomes `ingested_at`, and `origin` is that of rows which name none. A row none of whose measures differ is
    not written again; only an event that an earlier one of FEEDS_IN_ORDER brings too becomes that feed's. Files are
    replaced atomically, day by day, so a killed write leaves whole files and the same write again completes it. Writers
    of one exchange take turns.
    """
    if rows.empty:
        return Written()
    full = rows.assign(feed=channel, ingested_at=pd.Timestamp(now), revision=0, origin=rows["origin"].fillna(origin))
    with turn(home, sorted(set(rows["exchange"]))):
        return _merge(home, contract(dataset), full, now, segment or channel)


def _merge(home: Path, terms: Contract, rows: pd.DataFrame, now: datetime, segment: str) -> Written:
    import pyarrow

    connection = connect()
    connection.register(
        "incoming_rows", pyarrow.Table.from_pandas(rows, schema=terms.arrow_schema, preserve_index=False)
    )
    connection.execute(f"create table incoming as select *, {_folder(home, terms)} as folder from incoming_rows")
    folders = [Path(folder) for (folder,) in connection.execute("select distinct folder from incoming").fetchall()]
    _load_current(connection, terms, sorted(file for folder in folders for file in folder.glob("*.parquet")))
    _find_changes(connection, terms)
    _keep_superseded(connection, home, now)
    _rewrite(connection, terms, segment)
    new, changed = only_row(
        connection.execute("select count(*) filter (revision = 0), count(*) filter (is_changed) from changes")
    )
    return Written(new, changed, len(rows) - new - changed)


def quarantine(home: Path, dataset: str, rows: pd.DataFrame, channel: str, now: datetime) -> Path | None:
    """Keeps refused rows as JSON beside their `reason`; the same rows again are the same file. None without rows."""
    if rows.empty:
        return None
    texts = [json.dumps(row, default=str, sort_keys=True) for row in rows.drop(columns="reason").to_dict("records")]
    name = sha256("\n".join(texts).encode()).hexdigest()[:16]
    path = home / "quarantine" / dataset / f"{channel}-{name}.parquet"
    if not path.exists():
        import pyarrow

        columns = {
            "row": texts,
            "reason": list(rows["reason"]),
            "feed": [channel] * len(texts),
            "quarantined_at": [now] * len(texts),
        }
        write_parquet(pyarrow.table(columns), path)
    return path


def read_raw(home: Path, dataset: str, where: str = "true") -> pd.DataFrame:
    """Current rows of a dataset (contract's and lake's columns), filtered by an SQL condition of ours."""
    return connect().execute(f"select * from {raw_glob(home, dataset)} where {where}").df()


def as_json(frame: pd.DataFrame) -> pd.Series:
    """Each row of a frame as JSON text."""
    connection = connect()
    connection.register("rows", frame)
    return connection.execute("select cast(to_json(rows) as varchar) as text from rows").df()["text"]


def raw_glob(home: Path, dataset: str) -> str:
    """The SQL expression that reads all current rows of a dataset."""
    files = literal(f"{pattern(home / 'raw' / dataset)}/**/*.parquet")
    return f"read_parquet({files}, hive_partitioning=false)"


@contextmanager
def turn(home: Path, exchanges: list[str]) -> Iterator[None]:
    """Only one process at a time writes rows of an exchange; the kernel lets go of the locks of whoever dies."""
    folder = home / "raw" / ".locks"
    folder.mkdir(parents=True, exist_ok=True)
    held = [(folder / exchange).open("w") for exchange in exchanges]
    try:
        for lock in held:
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        for lock in held:
            lock.close()


def _folder(home: Path, terms: Contract) -> str:
    """The SQL expression of a row's folder; instruments have no day, so one folder per exchange."""
    day = f" || strftime({terms.time}, '/date=%Y-%m-%d')" if terms.time else ""
    return f"{literal(f'{home}/raw/{terms.name}/exchange=')} || exchange{day}"


def _load_current(connection: "duckdb.DuckDBPyConnection", terms: Contract, files: list[Path]) -> None:
    """Table `current`: the stored rows of the days at hand; `is_stale` marks what a killed write left behind."""
    if files:
        names = ", ".join(literal(pattern(file)) for file in files)
        source = f"read_parquet([{names}], hive_partitioning=false, filename='file')"
    else:
        source = "(select *, '' as file from incoming_rows where false)"
    newest = f"row_number() over (partition by {', '.join(terms.key)} order by revision desc, ingested_at desc)"
    connection.execute(f"create table current as select *, {newest} > 1 as is_stale from {source}")


def _find_changes(connection: "duckdb.DuckDBPyConnection", terms: Contract) -> None:
    """Table `changes`: incoming rows that are new, differ in a measure or become another feed's; and their revision."""
    same_key = " and ".join(f"incoming.{name} is not distinct from current.{name}" for name in terms.key)
    differs = " or ".join(f"incoming.{name} is distinct from current.{name}" for name in terms.measures)
    moves = "false"
    if terms.name == "liquidations":  # an event lies under the first of the feeds that brought it
        moves = f"{_preference('incoming.feed')} < {_preference('current.feed')}"
    connection.execute(f"""
        create table changes as
        select incoming.* replace (cast(coalesce(current.revision + 1, 0) as integer) as revision),
            current.revision is not null and ({differs}) as is_changed
        from incoming left join current on {same_key} and not current.is_stale
        where current.revision is null or {differs} or {moves}
    """)
    connection.execute(f"""
        create table replaced as
        select current.* from current
        where is_stale or exists (select 1 from changes as incoming where {same_key})
    """)


def _preference(feed: str) -> str:
    """The SQL expression of a feed's place in FEEDS_IN_ORDER; `websocket-<hour>` is a websocket."""
    return f"list_position({list(FEEDS_IN_ORDER)}, split_part({feed}, '-', 1))"


def _keep_superseded(connection: "duckdb.DuckDBPyConnection", home: Path, now: datetime) -> None:
    for (file,) in connection.execute("select distinct file from replaced").fetchall():
        rows = connection.execute(
            "select * exclude (file, is_stale), cast(? as timestamptz) as superseded_at from replaced where file = ?",
            [now, file],
        ).to_arrow_table()
        folder = home / "raw" / "superseded" / Path(file).relative_to(home / "raw")
        write_parquet(rows, folder / f"{now:%Y%m%dT%H%M%S%f}-{len(list(folder.glob('*')))}.parquet")


def _rewrite(connection: "duckdb.DuckDBPyConnection", terms: Contract, segment: str) -> None:
    """Replaces every file that gains or loses rows: first those that gain, so that no row is ever nowhere."""
    keyed = ", ".join(terms.key)
    kept = f"select * from current where not is_stale and ({keyed}) not in (select ({keyed}) from changes)"
    connection.execute(f"create table gained as select *, folder || '/{segment}.parquet' as file from changes")
    gaining = {file for (file,) in connection.execute("select distinct file from gained").fetchall()}
    losing = {file for (file,) in connection.execute("select distinct file from replaced").fetchall()} - gaining
    columns = ", ".join(terms.arrow_schema.names)
    contents = connection.execute(f"""
        select file, {columns} from ({kept})
        where file in (select file from gained) or file in (select file from replaced)
        union all by name
        select file, {columns} from gained
        order by file, {keyed}
    """).to_arrow_table()
    files = contents.column("file").to_pylist()
    bounds: dict[str, list[int]] = {}
    for position, file in enumerate(files):
        bounds.setdefault(file, [position, position])[1] = position
    rows = contents.drop_columns("file").cast(terms.arrow_schema)
    for group in (gaining, losing):
        with ThreadPoolExecutor(4) as pool:  # a file's fsync waits for the disk, not for us
            list(pool.map(lambda file: _replace(rows, bounds.get(file), Path(file)), sorted(group)))


def _replace(rows: "pyarrow.Table", span: list[int] | None, path: Path) -> None:
    if span is None:
        path.unlink()
    else:
        write_parquet(rows.slice(span[0], span[1] - span[0] + 1), path)
