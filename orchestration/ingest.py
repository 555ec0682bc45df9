"""From an exchange's answer, or a file, to raw facts: fetch, validate, quarantine, write, leave a receipt.

Here belongs the order of these steps. What is asked and how answers are read lives in `exchanges`; what a row must
look like in `contracts`; who may run when in `defs`.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd

from orchestration import contracts, coverage, lake, universe
from orchestration.exchanges import declared
from orchestration.exchanges.client import FetchFailed, open_client
from orchestration.exchanges.fetch import dataset_groups, earliest, fetch, fetch_instruments

CHUNK = timedelta(days=125)  # 3,000 hourly bars: whole largest pages, and a bound on what a killed run must ask again

on_progress: ContextVar[Callable[[dict], None]] = ContextVar("on_progress", default=lambda step: None)


@dataclass
class Session:
    """A run's connection to one exchange: its client, what it lists, and why it can't be reached, if so."""

    exchange: str
    client: object
    listed: pd.DataFrame | None = None
    failure: str | None = None
    is_snapshot_kept: bool = False


@dataclass(frozen=True)
class Scope:
    """What to fetch: datasets of an exchange for assets over [start, end)."""

    exchange: str
    datasets: tuple[str, ...]
    assets: tuple[str, ...]
    start: datetime
    end: datetime


@dataclass
class Outcome:
    """What became of a dataset: rows written and quarantined, hours not observed by reason, failures by reason."""

    written: lake.Written = field(default_factory=lake.Written)
    quarantined: int = 0
    notes: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def __add__(self, other: "Outcome") -> "Outcome":
        notes = {
            reason: self.notes.get(reason, 0) + other.notes.get(reason, 0) for reason in {**self.notes, **other.notes}
        }
        return Outcome(
            self.written + other.written, self.quarantined + other.quarantined, notes, self.failures + other.failures
        )


def open_session(exchange: str, exchange_url: str | None, assets: tuple[str, ...]) -> Session:
    """Connects to an exchange and asks what it lists; one that can't be reached is remembered as such, not raised."""
    session = Session(exchange, open_client(exchange, exchange_url))
    try:
        session.listed = fetch_instruments(session.client, assets)
    except FetchFailed as failure:
        session.failure = str(failure)
    return session


def keep_instruments(session: Session, home: Path, assets: tuple[str, ...], now: datetime) -> lake.Written:
    """Writes what the exchange lists of `assets`, and a receipt `unavailable` for what it doesn't list."""
    session.is_snapshot_kept = True
    lake.prepare(home)
    known = lake.read_raw(home, "instruments", f"exchange = '{session.exchange}'")
    if session.listed is not None and session.listed.empty and not known.empty:
        session.failure = f"{session.exchange}: instruments: lists none of those it listed before"
        session.listed = None
    if session.listed is None:
        return lake.Written()
    written = _write_good(home, "instruments", session.listed, now)[0]
    today = pd.Timestamp(now).floor("D")
    for symbol in sorted({universe.expected_symbol(asset) for asset in assets} - set(session.listed["symbol"])):
        reason = f"{session.exchange} does not list it"
        states = coverage.uniform_states("unavailable", reason, today, today + timedelta(days=1))
        _leave_receipts(home, coverage.receipts(session.exchange, "instruments", symbol, states), now)
    return written


def fetch_range(session: Session, home: Path, scope: Scope, now: datetime) -> dict[str, Outcome]:
    """Fetches a scope into raw facts, chunk by chunk, and leaves one receipt per dataset, symbol and state.

    Returns the outcome of every dataset that the exchange serves. A failure ends up in the outcome and in `failed`
    receipts; what had arrived before is kept.
    """
    lake.prepare(home)
    end = min(scope.end, pd.Timestamp(now).floor("h").to_pydatetime())
    outcomes = {}
    for group in dataset_groups(scope.exchange):
        datasets = tuple(dataset for dataset in group if dataset in scope.datasets)
        if datasets:
            outcomes |= _fetch_group(session, home, scope, datasets, end, now)
    return outcomes


def _fetch_group(
    session: Session, home: Path, scope: Scope, datasets: tuple[str, ...], end: datetime, now: datetime
) -> dict[str, Outcome]:
    """Datasets of one endpoint: one request serves all of them."""
    outcomes = {dataset: Outcome() for dataset in datasets}
    instruments = _instruments(session, scope.assets)
    failures = dict.fromkeys(instruments["symbol"], session.failure) if session.failure else {}
    seen: dict[tuple[str, str], list[pd.Series]] = {}
    events_from: dict[str, datetime | None] = {}
    for chunk_start, chunk_end in _chunks(scope.start, end):
        frames: dict[str, list[pd.DataFrame]] = {dataset: [] for dataset in datasets}
        for instrument in instruments.to_dict("records"):
            symbol = instrument["symbol"]
            if symbol in failures:
                continue
            try:
                for page in fetch(session.client, datasets, instrument, chunk_start, chunk_end, now):
                    for dataset, frame in page.frames.items():
                        frames[dataset].append(frame)
                    if events_from.get(symbol) is None or (page.covered_from and page.covered_from > chunk_start):
                        events_from[symbol] = page.covered_from
            except FetchFailed as failure:
                failures[symbol] = str(failure)
                if not failure.concerns_symbol:
                    session.failure = str(failure)
                    failures = {symbol: failures.get(symbol, session.failure) for symbol in instruments["symbol"]}
            _tell(scope, datasets, symbol, chunk_end, end)
        for dataset, parts in frames.items():
            if parts:
                written, quarantined, good = _write_good(home, dataset, pd.concat(parts, ignore_index=True), now)
                outcomes[dataset].written += written
                outcomes[dataset].quarantined += quarantined
                for symbol, rows in good.groupby("symbol"):
                    seen.setdefault((dataset, symbol), []).append(rows[contracts.contract(dataset).time])
    for dataset in datasets:
        receipts = [pd.DataFrame(columns=coverage.COLUMNS)]
        for symbol in instruments["symbol"]:
            stamps = pd.concat(seen.get((dataset, symbol), [pd.Series(dtype="datetime64[us, UTC]")]))
            states = _states(scope, dataset, stamps, events_from.get(symbol), end, now)
            if symbol in failures:
                states.loc[states["state"] != "complete", ["state", "reason"]] = ("failed", failures[symbol])
            receipts.append(coverage.receipts(scope.exchange, dataset, symbol, states))
            for reason, hours in states["reason"].dropna().value_counts().items():
                outcomes[dataset].notes[f"{symbol}: {reason}"] = int(hours)
        _leave_receipts(home, pd.concat(receipts, ignore_index=True), now)
        outcomes[dataset].failures = sorted(set(failures.values()))
    return outcomes


def import_file(
    home: Path, dataset: str, file: str, now: datetime, slot: Callable[[str], AbstractContextManager]
) -> Outcome:
    """Takes a user's archive (Parquet or CSV in the contract's columns) through the same border as a fetch.

    `slot(exchange)` keeps other writers of that exchange away. Raises ValueError like `read_archive`.
    """
    frame = read_archive(dataset, file)
    good, refused = contracts.validate(frame, dataset, now)
    lake.quarantine(home, dataset, refused, "import", now)
    outcome = Outcome(quarantined=len(refused))
    for exchange, rows in good.groupby("exchange"):
        with slot(exchange):
            outcome.written += lake.write(home, dataset, rows, "import", now)
    return outcome


def read_archive(dataset: str, file: str) -> pd.DataFrame:
    """The rows of a Parquet or CSV file with each row itself as `payload`.

    Raises ValueError with one line if the file can't be read or its columns are not the contract's.
    """
    path = Path(file)
    if not path.is_file():
        raise ValueError(f"{file} does not exist")
    try:
        frame = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    except (OSError, ValueError, UnicodeError) as error:
        raise ValueError(f"{file} is neither Parquet nor CSV: {str(error).splitlines()[0]}") from None
    if dataset == "coverage":
        frame["feed"] = "import"
    try:
        contracts.check_columns(frame, dataset)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    return frame.assign(payload=lake.as_json(frame))


def is_observed(home: Path, exchange: str, day: date, assets: tuple[str, ...]) -> bool:
    """Whether every dataset that the exchange serves has a complete receipt for the last hour of a day."""
    lake.prepare(home)
    last_hour = datetime(day.year, day.month, day.day, 23, tzinfo=UTC)
    receipts = lake.read_raw(home, "coverage", f"exchange = '{exchange}' and end_at > timestamptz '{last_hour}'")
    held = receipts[(receipts["start_at"] <= last_hour) & (receipts["end_at"] >= last_hour + timedelta(hours=1))]
    told = set(held.loc[held["state"] == "complete", ["dataset", "symbol"]].itertuples(index=False, name=None))
    unlisted = set(receipts.loc[receipts["dataset"] == "instruments", "symbol"])
    symbols = {universe.expected_symbol(asset) for asset in assets} - unlisted
    datasets = {dataset for group in dataset_groups(exchange) for dataset in group}
    return all((dataset, symbol) in told for dataset in datasets for symbol in symbols)


def _instruments(session: Session, assets: tuple[str, ...]) -> pd.DataFrame:
    """What to ask for: the listed ones of `assets`, or the expected ones where the exchange can't even be asked."""
    symbols = [universe.expected_symbol(asset) for asset in assets]
    if session.listed is None:
        return pd.DataFrame({"symbol": symbols})
    return session.listed[session.listed["symbol"].isin(symbols)]


def _chunks(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    while start < end:
        yield start, min(start + CHUNK, end)
        start += CHUNK


def _states(
    scope: Scope, dataset: str, stamps: pd.Series, events_from: datetime | None, end: datetime, now: datetime
) -> pd.DataFrame:
    if dataset == "liquidations":
        states = coverage.event_states(events_from, scope.start, end)
    elif dataset == "funding_rates":
        states = coverage.funding_states(stamps, scope.start, end)
    else:
        states = coverage.series_states(stamps, scope.start, end)
    oldest = earliest(scope.exchange, dataset, now)
    if oldest is not None:
        states.loc[states.index < oldest] = ("unavailable", declared()[scope.exchange].feeds[dataset].depth.reason)
    return states


def _write_good(home: Path, dataset: str, frame: pd.DataFrame, now: datetime) -> tuple[lake.Written, int, pd.DataFrame]:
    good, refused = contracts.validate(frame, dataset, now)
    lake.quarantine(home, dataset, refused, "rest", now)
    return lake.write(home, dataset, good, "rest", now), len(refused), good


def _leave_receipts(home: Path, receipts: pd.DataFrame, now: datetime) -> None:
    if not receipts.empty:
        _write_good(home, "coverage", receipts, now)


def _tell(scope: Scope, datasets: tuple[str, ...], symbol: str, chunk_end: datetime, end: datetime) -> None:
    hours = (scope.end - scope.start).total_seconds() / 3600
    done = (chunk_end - scope.start).total_seconds() / 3600 if chunk_end < end else hours
    on_progress.get()(
        {"exchange": scope.exchange, "datasets": datasets, "symbol": symbol, "done": done, "total": hours}
    )
