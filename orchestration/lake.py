"""Where data lives: raw facts, superseded and quarantined rows, what dbt is told, publishing, read-only connections.

Here belong paths and atomic writes. What a row must look like is `contracts`' matter; what was observed `coverage`'s.

Layout of a home (`$MARKET_STRESS_HOME`): `raw/<dataset>/exchange=<id>/date=<day>/<segment>.parquet` with the current
row of every key, `raw/superseded/<same path>/` with the rows that were replaced, `quarantine/`, `universe/` (what dbt
is told about the watch list and the clock), `build.duckdb` (only dbt writes it), `warehouse.duckdb` (published),
`published/` (earlier ones), `reports/`, `dagster/`.
"""

import json
import os
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from orchestration import universe
from orchestration.contracts import Contract, contract

if TYPE_CHECKING:
    import duckdb
    import pyarrow

RAW_DATASETS = (*universe.DATASETS, "coverage")


@dataclass(frozen=True)
class Written:
    """Rows of one write: `new` keys, `changed` measures, `unchanged` rows that were not written again."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0

    def __add__(self, other: "Written") -> "Written":
        return Written(self.new + other.new, self.changed + other.changed, self.unchanged + other.unchanged)


def prepare(home: Path) -> None:
    """Creates the folders of a home and the zero-row file of every dataset (a glob without files fails in DuckDB)."""
    for folder in ("raw", "quarantine", "universe", "reports", "dagster"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    for dataset in RAW_DATASETS:
        empty = home / "raw" / dataset / "empty.parquet"
        if not empty.exists():
            _write_parquet(contract(dataset).arrow_schema.empty_table(), empty)


def write(
    home: Path, dataset: str, rows: pd.DataFrame, feed: str, now: datetime, segment: str | None = None
) -> Written:
    """Merges validated rows into the raw facts by key; the newest observation wins and what it replaces is kept.

    `rows` are the good rows of `contracts.validate`; `now` becomes `ingested_at`. A row none of whose measures
    differ is not written again, whichever feed it came from. Files are replaced atomically, day by day, so a killed
    write leaves whole files and the same write again completes it.
    """
    if rows.empty:
        return Written()
    terms, segment = contract(dataset), segment or feed
    incoming = _arrow(rows, terms, feed, now)
    connection = _connect()
    connection.register("incoming_rows", incoming)
    connection.execute(f"create table incoming as select *, {_folder(home, terms)} as folder from incoming_rows")
    folders = [Path(folder) for (folder,) in connection.execute("select distinct folder from incoming").fetchall()]
    _load_current(connection, terms, sorted(file for folder in folders for file in folder.glob("*.parquet")))
    _find_changes(connection, terms)
    _keep_superseded(connection, home, now)
    _rewrite(connection, terms, segment)
    new, changed = connection.execute(
        "select count(*) filter (revision = 0), count(*) filter (revision > 0) from changes"
    ).fetchone()
    return Written(new, changed, len(rows) - new - changed)


def quarantine(home: Path, dataset: str, rows: pd.DataFrame, feed: str, now: datetime) -> Path | None:
    """Keeps refused rows as JSON beside their `reason`; the same rows again are the same file. None without rows."""
    if rows.empty:
        return None
    texts = [json.dumps(row, default=str, sort_keys=True) for row in rows.drop(columns="reason").to_dict("records")]
    name = sha256("\n".join(texts).encode()).hexdigest()[:16]
    path = home / "quarantine" / dataset / f"{feed}-{name}.parquet"
    if not path.exists():
        import pyarrow

        columns = {
            "row": texts,
            "reason": list(rows["reason"]),
            "feed": [feed] * len(texts),
            "quarantined_at": [now] * len(texts),
        }
        _write_parquet(pyarrow.table(columns), path)
    return path


def read_raw(home: Path, dataset: str, where: str = "true") -> pd.DataFrame:
    """Current rows of a dataset (contract's and lake's columns), filtered by an SQL condition of ours."""
    return _connect().execute(f"select * from {raw_glob(home, dataset)} where {where}").df()


def as_json(frame: pd.DataFrame) -> pd.Series:
    """Each row of a frame as JSON text."""
    connection = _connect()
    connection.register("rows", frame)
    return connection.execute("select cast(to_json(rows) as varchar) as text from rows").df()["text"]


def raw_glob(home: Path, dataset: str) -> str:
    """The SQL expression that reads all current rows of a dataset."""
    return f"read_parquet('{home}/raw/{dataset}/**/*.parquet', hive_partitioning=false)"


def tell_dbt(home: Path, watch: universe.Universe, now: datetime) -> None:
    """Writes universe/*.parquet: the watch list, the declared feeds and the as-of clock that the models read."""
    import pyarrow

    listings = f"""
        select exchange, symbol from {raw_glob(home, "coverage")}
        where dataset = 'instruments' and state = 'unavailable'
        except select exchange, symbol from {raw_glob(home, "instruments")}
    """
    unlisted = set(_connect().execute(listings).fetchall())
    as_of = pd.Timestamp(now).floor("h")
    settings = pd.DataFrame({"as_of": [as_of], "warm_up_days": pd.array([watch.score.warm_up_days], dtype="int32")})
    tables = {
        "watched": universe.watched(watch, unlisted),
        "feeds": universe.feeds(),
        "feed_epochs": universe.feed_epochs(),
        "settings": settings,
    }
    for name, frame in tables.items():
        table = pyarrow.Table.from_pandas(frame, preserve_index=False)
        _write_parquet(table, home / "universe" / f"{name}.parquet")


def publish(home: Path, market_stress: pd.DataFrame, keep_days: int, now: datetime) -> Path:
    """Publishes build.duckdb plus `market_stress` as warehouse.duckdb by one rename, so readers see no half-built file.

    The warehouse before stays in published/ for `keep_days` days.
    """
    warehouse, draft = home / "warehouse.duckdb", home / "warehouse.duckdb.draft"
    shutil.copyfile(home / "build.duckdb", draft)
    with _connect(draft) as connection:
        connection.register("market_stress_rows", market_stress)
        connection.execute("create or replace table main.market_stress as select * from market_stress_rows")
        connection.execute("drop schema if exists staging cascade")
        connection.unregister("market_stress_rows")
        connection.execute("checkpoint")
    _sync(draft)
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
            table: build.execute(f'select count(*) from "{schema}"."{table}"').fetchone()[0] for schema, table in tables
        }


def read_only(home: Path, database: str = "warehouse.duckdb") -> "duckdb.DuckDBPyConnection":
    """A read-only connection in UTC; FileNotFoundError with the way out if nothing was published yet."""
    path = home / database
    if not path.exists():
        raise FileNotFoundError(
            f"{path} does not exist yet: run `market-stress backfill` and `market-stress refresh` first"
        )
    return _connect(path, read_only=True)


def _arrow(rows: pd.DataFrame, terms: Contract, feed: str, now: datetime) -> "pyarrow.Table":
    import pyarrow

    full = rows.assign(feed=feed, ingested_at=pd.Timestamp(now), revision=0)
    return pyarrow.Table.from_pandas(full, schema=terms.arrow_schema, preserve_index=False)


def _connect(path: Path | str = ":memory:", read_only: bool = False) -> "duckdb.DuckDBPyConnection":
    import duckdb

    connection = duckdb.connect(path, read_only=read_only)
    connection.execute("set TimeZone = 'UTC'")
    return connection


def _folder(home: Path, terms: Contract) -> str:
    """The SQL expression of a row's folder; instruments have no day, so one folder per exchange."""
    day = f" || strftime({terms.time}, '/date=%Y-%m-%d')" if terms.time else ""
    return f"'{home}/raw/{terms.name}/exchange=' || exchange{day}"


def _load_current(connection: "duckdb.DuckDBPyConnection", terms: Contract, files: list[Path]) -> None:
    """Table `current`: the stored rows of the days at hand; `is_stale` marks what a killed write left behind."""
    if files:
        names = ", ".join(f"'{file}'" for file in files)
        source = f"read_parquet([{names}], hive_partitioning=false, filename='file')"
    else:
        source = "(select *, '' as file from incoming_rows where false)"
    newest = f"row_number() over (partition by {', '.join(terms.key)} order by revision desc, ingested_at desc)"
    connection.execute(f"create table current as select *, {newest} > 1 as is_stale from {source}")


def _find_changes(connection: "duckdb.DuckDBPyConnection", terms: Contract) -> None:
    """Table `changes`: incoming rows that are new or differ in a measure, with their next revision."""
    same_key = " and ".join(f"incoming.{name} is not distinct from current.{name}" for name in terms.key)
    differs = " or ".join(f"incoming.{name} is distinct from current.{name}" for name in terms.measures)
    connection.execute(f"""
        create table changes as
        select incoming.* replace (cast(coalesce(current.revision + 1, 0) as integer) as revision)
        from incoming left join current on {same_key} and not current.is_stale
        where current.revision is null or {differs}
    """)
    connection.execute(f"""
        create table replaced as
        select current.* from current
        where is_stale or exists (select 1 from changes as incoming where {same_key})
    """)


def _keep_superseded(connection: "duckdb.DuckDBPyConnection", home: Path, now: datetime) -> None:
    for (file,) in connection.execute("select distinct file from replaced").fetchall():
        rows = connection.execute(
            "select * exclude (file, is_stale), cast(? as timestamptz) as superseded_at from replaced where file = ?",
            [now, file],
        ).to_arrow_table()
        folder = home / "raw" / "superseded" / Path(file).relative_to(home / "raw")
        _write_parquet(rows, folder / f"{now:%Y%m%dT%H%M%S%f}-{len(list(folder.glob('*')))}.parquet")


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
        _write_parquet(rows.slice(span[0], span[1] - span[0] + 1), path)


def _write_parquet(table: "pyarrow.Table", path: Path) -> None:
    """Writes a file so that it is either the old or the new one, whole, even after a crash."""
    import pyarrow.parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    pyarrow.parquet.write_table(table, draft, compression="zstd")
    _sync(draft)
    draft.replace(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _forget_old(folder: Path, keep_days: int) -> None:
    files: Iterable[Path] = sorted(folder.glob("warehouse-*.duckdb"))
    if not files:
        return
    newest = max(file.stat().st_mtime for file in files)
    for file in files:
        if newest - file.stat().st_mtime > timedelta(days=keep_days).total_seconds():
            file.unlink()
