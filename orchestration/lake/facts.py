"""Raw facts: the current row of every key as Parquet, the rows they replaced, the rows that the border refused.

Here belong merging and reading. What a row must look like is `contracts`' matter; what was observed `coverage`'s.
"""

import fcntl
import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from orchestration import coverage, universe
from orchestration.contracts import Contract, contract
from orchestration.exchanges import declared
from orchestration.lake import damage
from orchestration.lake.damage import Damaged
from orchestration.lake.files import connect, literal, only_row, pattern, write_parquet

if TYPE_CHECKING:
    import duckdb
    import pyarrow


LOG = logging.getLogger(__name__)

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
    of one exchange (of context: one source) take turns.
    """
    if rows.empty:
        return Written()
    full = rows.assign(feed=channel, ingested_at=pd.Timestamp(now), revision=0, origin=rows["origin"].fillna(origin))
    terms = contract(dataset)
    with turn(home, sorted(set(rows[terms.key[0]]))):
        return _merge(home, terms, full, now, segment or channel)


def _merge(
    home: Path, terms: Contract, rows: pd.DataFrame, now: datetime, segment: str, gone: pd.DataFrame | None = None
) -> Written:
    """`gone` are rows of the same days, given by their keys, that make room for others."""
    import duckdb
    import pyarrow

    connection = connect()
    connection.register(
        "incoming_rows", pyarrow.Table.from_pandas(rows, schema=terms.arrow_schema, preserve_index=False)
    )
    connection.execute(f"create table incoming as select *, {_folder(home, terms)} as folder from incoming_rows")
    folders = [Path(folder) for (folder,) in connection.execute("select distinct folder from incoming").fetchall()]
    try:
        _load_current(connection, terms, _files(folders))
    except duckdb.Error:
        for file in _files(folders):
            if reason := damage.fault(home, file, whole=True):
                _set_aside(home, Damaged(file.relative_to(home), reason), now)
        _load_current(connection, terms, _files(folders))
    if gone is not None:
        connection.register("gone", gone)
        keyed = ", ".join(terms.key)
        connection.execute(f"update current set is_stale = true where ({keyed}) in (select ({keyed}) from gone)")
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
    """Current rows of a dataset (contract's and lake's columns), filtered by an SQL condition of ours.

    Without those of damaged files, of which a log tells: what becomes of them is decided by whoever may write.
    """
    import duckdb

    try:
        return connect().execute(f"select * from {raw_glob(home, dataset)} where {where}").df()
    except duckdb.Error:
        damaged = damage.found(home, (f"raw/{dataset}",), whole=True)
        if not damaged:
            raise
        for one in damaged:
            LOG.warning("%s: its rows are left out", one)
        names = {home / one.path for one in damaged}
        whole = [file for file in (home / "raw" / dataset).rglob("[!.]*.parquet") if file not in names]
        rows = f"read_parquet([{', '.join(literal(pattern(file)) for file in whole)}], hive_partitioning=false)"
        if not whole:
            return contract(dataset).arrow_schema.empty_table().to_pandas()
        return connect().execute(f"select * from {rows} where {where}").df()


def set_aside(home: Path, now: datetime, exchange: str | None = None, whole: bool = False) -> list[Damaged]:
    """Moves damaged files to quarantine/files; `failed` receipts say what is lost and let it be fetched again.

    Looks at raw facts, superseded rows and what dbt reads, or only at the facts of one exchange, as thoroughly as
    `damage.found` with or without `whole`.
    """
    under = (f"raw/*/exchange={exchange}",) if exchange else ("raw", "universe")
    moved = []
    for one in damage.found(home, under, whole):
        with turn(home, [one.exchange] if one.exchange else []):
            if damage.fault(home, home / one.path, whole):  # somebody may have written it anew meanwhile
                _set_aside(home, one, now)
                moved.append(one)
    if moved:
        prepare(home)
    return moved


def _set_aside(home: Path, one: Damaged, now: datetime) -> None:
    """Whoever calls has the turn of the file's exchange."""
    LOG.warning("%s: it is set aside in %s", one, home / "quarantine" / "files")
    if one.dataset == "coverage":
        damage.set_aside(home, one.path)  # or its own day could not be written
    if one.exchange and one.day and one.dataset in universe.RAW_DATASETS:
        _fail_receipts(home, one, now)
    if one.dataset != "coverage":
        damage.set_aside(home, one.path)  # last: whoever dies before has lost no row without a receipt that says so


def _fail_receipts(home: Path, one: Damaged, now: datetime) -> None:
    """What was observed on the day of a lost file is `failed` from now on; other days of its receipts stay observed.

    Where no receipt speaks of the day, there is one for every contract known; of lost receipts for what is served.
    """
    feeds = declared()[one.exchange].feeds if one.exchange in declared() else {}
    served = tuple(dataset for dataset in universe.DATASETS if dataset in feeds and feeds[dataset].served)
    lost = tuple(name for name in (served if one.dataset == "coverage" else (one.dataset,)) if name != "instruments")
    start = pd.Timestamp(one.day, tz="UTC")
    end = start + pd.Timedelta(days=1)
    touching = f"start_at <= timestamptz '{end}' and end_at >= timestamptz '{start}'"
    held = read_raw(home, "coverage", f"exchange = {literal(str(one.exchange))} and {touching}")
    held = held[held["dataset"].isin(lost)]
    of_day = held[(held["start_at"] < end) & (held["end_at"] > start)]
    failed = {"state": "failed", "reason": f"{one} and set aside", "ingested_at": pd.Timestamp(now)}
    told = set(zip(of_day["dataset"], of_day["symbol"], strict=True))
    symbols = read_raw(home, "instruments", f"exchange = {literal(str(one.exchange))}")["symbol"].unique()
    blank = {"exchange": one.exchange, "start_at": start, "end_at": end, "revision": 0, "origin": "live"}
    feed = one.path.stem if one.path.stem == "import" else "rest"
    unsaid = [
        {**blank, **failed, "dataset": dataset, "symbol": symbol, "feed": feed}
        for dataset in lost for symbol in symbols if (dataset, symbol) not in told
    ]  # fmt: skip
    rows, gone = pd.DataFrame(unsaid, columns=held.columns).astype(held.dtypes), held.iloc[:0]
    if one.dataset != "coverage":
        gone = of_day[of_day["state"].isin(("complete", "partial"))]
        inside = gone.assign(start_at=gone["start_at"].clip(lower=start), end_at=gone["end_at"].clip(upper=end))
        beside = [
            gone.assign(end_at=gone["end_at"].clip(upper=start)),
            gone.assign(start_at=gone["start_at"].clip(lower=end)),
        ]
        kept = pd.concat(beside).query("start_at < end_at").sort_values("state", key=_rising)
        kept = coverage.without_falls(kept.drop_duplicates(coverage.KEY, keep="last"), held)
        rows = pd.concat([rows, kept, inside.assign(**failed)]).drop_duplicates(coverage.KEY, keep="last")
        keys = pd.MultiIndex.from_frame(rows[coverage.KEY])
        gone = gone[~pd.MultiIndex.from_frame(gone[coverage.KEY]).isin(keys)]
    for feed, of_feed in rows.groupby("feed"):
        _merge(home, contract("coverage"), of_feed, now, str(feed), gone[gone["feed"] == feed])


def _rising(states: pd.Series) -> pd.Series:
    return states.map(coverage.RISING.index)


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
    """The SQL expression of a row's folder; what is not kept by day has one folder per exchange or source."""
    day = f" || strftime({terms.time}, '/date=%Y-%m-%d')" if terms.is_kept_by_day else ""
    return f"{literal(f'{home}/raw/{terms.name}/{terms.key[0]}=')} || {terms.key[0]}{day}"


def _files(folders: list[Path]) -> list[Path]:
    return sorted(file for folder in folders for file in folder.glob("[!.]*.parquet"))


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
