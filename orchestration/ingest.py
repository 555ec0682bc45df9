"""From an answer of an exchange or a context source, or a file, to raw facts: fetch, validate, quarantine, write, leave
a receipt.

Here belongs the order of these steps. What is asked and how answers are read lives in `exchanges` and `context`; what a
row must look like in `contracts`; who may run when in `defs`.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from orchestration import contracts, coverage, planning, universe
from orchestration.context.client import Answer, SourceFailed, ask
from orchestration.context.sources import Row, Source, Unreadable
from orchestration.exchanges import declared
from orchestration.exchanges.client import FetchFailed, origin
from orchestration.exchanges.fetch import TIMES, earliest, fetch_pages
from orchestration.lake import facts, instruments
from orchestration.listing import read_listing

if TYPE_CHECKING:
    from orchestration.exchanges.client import Client

CHUNK = timedelta(days=125)  # 3,000 hourly bars: whole largest pages, and a bound on what a killed run must ask again


@dataclass(frozen=True)
class Progress:
    """How far the datasets of one endpoint are: hours of the range that are `done` for each of them, and the symbol."""

    datasets: tuple[str, ...]
    symbol: str
    done: float


@dataclass(frozen=True)
class Fetch:
    """What one fetch needs: an exchange's ccxt client, and what to ask for over [start, end).

    The exchange is asked what it lists of the `watched` assets, and for `datasets` of `assets`, which are some of them.
    `contracts` are its own names of contracts that it is known not to list any more. `now` is the as-of clock, `show`
    hears how far it is. `allowed_seconds` says how long the exchange may take for what is planned.
    """

    client: "Client"
    home: Path
    datasets: tuple[str, ...]
    assets: tuple[str, ...]
    watched: tuple[str, ...]
    start: datetime
    end: datetime
    now: datetime
    contracts: tuple[str, ...] = ()
    show: Callable[[Progress], None] = lambda progress: None
    allowed_seconds: Callable[[str, Iterable[planning.Span], datetime], float] = planning.allowed_seconds

    @property
    def last(self) -> datetime:
        """The end of the last closed hour of the range."""
        return min(self.end, pd.Timestamp(self.now).floor("h").to_pydatetime())


@dataclass
class Outcome:
    """What became of a dataset: rows written and quarantined, hours not observed by reason, failures by reason.

    `asked` are the ranges that it was asked for; `warnings` are for whoever decides what is watched.
    """

    written: facts.Written = field(default_factory=facts.Written)
    quarantined: int = 0
    notes: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    asked: list[tuple[datetime, datetime]] = field(default_factory=list)
    warnings: tuple[str, ...] = ()

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(
            self.written + other.written,
            self.quarantined + other.quarantined,
            dict(Counter(self.notes) + Counter(other.notes)),
            sorted({*self.failures, *other.failures}),
            self.asked + other.asked,
            self.warnings + other.warnings,
        )


def fetch_range(fetch: Fetch, only_missing: bool = False) -> dict[str, Outcome]:
    """Fetches a range into raw facts, chunk by chunk, and leaves one receipt per dataset, symbol and state.

    With `only_missing`, what `plan` names is asked for instead of the range. Returns the outcome of `instruments` and
    of every dataset asked for that the exchange serves. A failure ends up in the outcome and in `failed` receipts, and
    so does what has not come when the time allowed for the exchange is over; what had arrived before is kept.
    """
    facts.prepare(fetch.home)
    began = time.monotonic()
    fetch.client.session.allow(fetch.allowed_seconds(fetch.client.id, (), fetch.now), since=began)
    damaged = facts.set_aside(fetch.home, fetch.now, fetch.client.id)
    outcomes, unread, failure = _keep_listing(fetch)
    outcomes["instruments"].warnings += tuple(f"{one} and set aside" for one in damaged)
    listed = _instruments(fetch.home, fetch.client.id, fetch.assets)
    for symbol in unread:  # what was expected stands in for what can't be asked
        if symbol not in set(listed["symbol"]):
            listed.loc[len(listed), "symbol"] = symbol
    groups = declared()[fetch.client.id].groups
    if only_missing:
        spans = plan(fetch.home, fetch.client.id, fetch.assets, fetch.now)
    else:
        spans = [planning.Span(group, tuple(listed["symbol"]), fetch.start, fetch.end) for group in groups]
    wanted = [span for span in spans if set(span.datasets) & set(fetch.datasets)]
    fetch.client.session.allow(fetch.allowed_seconds(fetch.client.id, wanted, fetch.now), since=began)
    for group in groups:
        failures = dict(unread)  # what failed is not asked again: a run whose oldest range lacks has no answer
        datasets = tuple(dataset for dataset in group if dataset in fetch.datasets)
        outcomes |= {dataset: Outcome() for dataset in datasets}
        for span in spans:
            asked = listed[listed["symbol"].isin(span.symbols)]
            if span.datasets == group and datasets and not asked.empty:
                part = replace(fetch, start=span.start, end=span.end)
                fetched, failure = _fetch_group(part, asked, datasets, failures, failure)
                outcomes |= {dataset: outcomes[dataset] + outcome for dataset, outcome in fetched.items()}
    return outcomes


def plan(home: Path, exchange: str, assets: tuple[str, ...], now: datetime) -> list[planning.Span]:
    """What an exchange has to be asked for so that nothing is missing since the day of the home's first fetch.

    What was imported is no reason to fetch the same past of everything else.
    """
    facts.prepare(home)
    receipts = facts.read_raw(home, "coverage", "feed <> 'import' or state = 'complete'")
    fetched = receipts[(receipts["feed"] == "rest") & ~receipts["dataset"].isin(["instruments", "context"])]
    an_hour_ago = now - timedelta(hours=1)  # a home that begins just after midnight begins with the day that has hours
    since = an_hour_ago if fetched.empty else fetched["start_at"].min().to_pydatetime()
    receipts = receipts[receipts["exchange"] == exchange]
    listed = _instruments(home, exchange, assets)
    ends = {row.symbol: None if pd.isna(row.ends_at) else row.ends_at for row in listed.itertuples()}
    unlisted = set(receipts.loc[receipts["dataset"] == "instruments", "symbol"])
    for asset in set(assets) - set(listed["asset"]):
        if (symbol := universe.expected_symbol(asset)) not in unlisted:
            ends[symbol] = None
    return planning.missing(exchange, receipts, ends, since, now)


def _keep_listing(fetch: Fetch) -> tuple[dict[str, Outcome], dict[str, str], str | None]:
    """Writes what the exchange lists, and a receipt `unavailable` for what it doesn't list.

    Returns the outcome of `instruments`; symbols that can't be read, with the reason; and why the listing isn't known.
    """
    try:
        listed = read_listing(fetch.client, fetch.home, fetch.watched, fetch.contracts, fetch.now)
    except FetchFailed as failure:
        known = set(_instruments(fetch.home, fetch.client.id, fetch.assets)["asset"])
        unread = [universe.expected_symbol(asset) for asset in fetch.assets if asset not in known]
        return {"instruments": Outcome(failures=[f"{failure}"])}, dict.fromkeys(unread, f"{failure}"), f"{failure}"
    written, quarantined, good = _write_good(fetch, "instruments", listed.terms)
    today = pd.Timestamp(fetch.now).floor("D")
    for symbol, reason in sorted(listed.why.items()):
        states = coverage.uniform_states("unavailable", reason, today, today + timedelta(days=1))
        _leave_receipts(fetch, coverage.receipts(fetch.client.id, "instruments", symbol, states))
    refused = listed.terms[~listed.terms["symbol"].isin(good["symbol"]) & listed.terms["asset"].isin(fetch.assets)]
    known = set(_instruments(fetch.home, fetch.client.id, fetch.assets)["symbol"])
    reason = f"{fetch.client.id}: instruments: its terms can't be read"
    illegible = {symbol: reason for symbol in refused["symbol"] if symbol not in known}
    notes = {f"{symbol}: {reason}": 24 for symbol, reason in listed.why.items()}
    failures = [f"{reason}: {', '.join(sorted(illegible))}"] if illegible else []
    return {"instruments": Outcome(written, quarantined, notes, failures, warnings=listed.warnings)}, illegible, None


def _instruments(home: Path, exchange: str, assets: tuple[str, ...]) -> pd.DataFrame:
    """What can be asked of an exchange: the last version of every contract, with all `versions` of its size."""
    versions = instruments.read_versions(home, exchange, assets)
    last = instruments.latest(versions)
    return last.assign(versions=last["symbol"].map(instruments.sizes(versions)).astype("object"))


def _fetch_group(
    fetch: Fetch,
    listed: pd.DataFrame,
    datasets: tuple[str, ...],
    failures: dict[str, str],
    out_of_reach: str | None,
) -> tuple[dict[str, Outcome], str | None]:
    """Datasets of one endpoint, asked for together; and why the exchange is out of reach, if it is.

    `failures` holds why a symbol is not asked for (any more), and learns of more.
    """
    outcomes = {dataset: Outcome(asked=[(fetch.start, fetch.last)]) for dataset in datasets}
    if out_of_reach:
        failures |= {symbol: out_of_reach for symbol in listed["symbol"] if symbol not in failures}
    contracts = listed.to_dict("records")
    silent: dict[str, str] = {}  # ended contracts that the exchange no longer answers for
    seen: dict[tuple[str, str], list[pd.Series]] = {}
    events_from: dict[str, datetime | None] = {}
    for start, end in _chunks(fetch.start, fetch.last):
        frames: dict[str, list[pd.DataFrame]] = {dataset: [] for dataset in datasets}
        for contract in contracts:
            symbol, ends_at = contract["symbol"], contract.get("ends_at")
            last = end if pd.isna(ends_at) else min(end, ends_at.ceil("h").to_pydatetime())
            if symbol in failures or symbol in silent or last <= start:
                continue
            try:
                for page in fetch_pages(fetch.client, datasets, contract, start, last, fetch.now):
                    for dataset, frame in page.frames.items():
                        frames[dataset].append(frame)
                    if events_from.get(symbol) is None or (page.covered_from and page.covered_from > start):
                        events_from[symbol] = page.covered_from
            except FetchFailed as failure:
                if failure.refuses_symbol and not pd.isna(ends_at) and ends_at <= pd.Timestamp(fetch.now):
                    silent[symbol] = f"ended at {ends_at:%Y-%m-%d %H:%M}, and no longer answered for: {failure}"
                    continue
                failures[symbol] = str(failure)
                if not failure.concerns_symbol:
                    out_of_reach = str(failure)
                    failures |= {symbol: out_of_reach for symbol in listed["symbol"] if symbol not in failures}
            fetch.show(Progress(datasets, symbol, (end - fetch.start) / timedelta(hours=1)))
        for dataset, parts in frames.items():
            if parts:
                rows = pd.concat(parts, ignore_index=True)
                written, quarantined, good = _write_good(fetch, dataset, rows)
                outcomes[dataset].written += written
                outcomes[dataset].quarantined += quarantined
                for symbol, kept in good.groupby("symbol"):
                    seen.setdefault((dataset, symbol), []).append(kept[TIMES[dataset]])
    for dataset in datasets:
        outcomes[dataset].notes = _account_for(fetch, dataset, contracts, seen, events_from, failures, silent)
        outcomes[dataset].failures = sorted({failures[symbol] for symbol in listed["symbol"] if symbol in failures})
    return outcomes, out_of_reach


def _account_for(
    fetch: Fetch,
    dataset: str,
    contracts: list[dict],
    seen: dict[tuple[str, str], list[pd.Series]],
    events_from: dict[str, datetime | None],
    failures: dict[str, str],
    silent: dict[str, str],
) -> dict[str, int]:
    """Leaves the receipts of a dataset, given what came by symbol; returns the hours not observed by their reason."""
    receipts, notes = [pd.DataFrame(columns=coverage.COLUMNS)], {}
    begun = _begun(fetch, dataset)
    for contract in contracts:
        symbol, ends_at = contract["symbol"], contract.get("ends_at")
        parts = seen.get((dataset, symbol))
        came = pd.concat(parts) if parts else pd.Series(dtype="datetime64[us, UTC]")
        states = _states(fetch, dataset, came, events_from.get(symbol), symbol in begun)
        if symbol in failures:
            states.loc[states["state"] != "complete", ["state", "reason"]] = ("failed", failures[symbol])
        elif symbol in silent:
            states.loc[states["state"] != "complete", ["state", "reason"]] = ("unavailable", silent[symbol])
        if not pd.isna(ends_at):
            states = coverage.until(states, ends_at)
        receipts.append(coverage.receipts(fetch.client.id, dataset, symbol, states))
        for reason, hours in states["reason"].dropna().value_counts().items():
            notes[f"{symbol}: {reason}"] = int(hours)
    _leave_receipts(fetch, pd.concat(receipts, ignore_index=True))
    return notes


def fetch_context(
    home: Path, source: Source, start: datetime, end: datetime, now: datetime, url: str | None
) -> Outcome:
    """Fetches a context series over the days of [start, end) into raw facts, and leaves its receipts.

    The days from which a value would be carried into the range are asked for too. What can't be read is quarantined,
    whole answers with how they begin. A failure ends up in the outcome and in a `failed` receipt. With `url` it is
    asked of `<url>/<source>/<original path>`.
    """
    facts.prepare(home)
    first, last = start - timedelta(days=source.carried_days), min(end, pd.Timestamp(now).ceil("D").to_pydatetime())
    until = min(end, pd.Timestamp(now).floor("h").to_pydatetime())
    address = source.address(first.date(), (last - timedelta(microseconds=1)).date(), now.date())
    outcome = Outcome(asked=[(first, until)])
    states = coverage.uniform_states("complete", None, first, until)
    answer = Answer("", "live")
    try:
        answer = ask(source.name, address, url)
        rows = _context_rows(source, source.read(answer.text), first, end, now)
    except (SourceFailed, Unreadable) as failure:
        reason, said = f"{failure}", failure.answer if isinstance(failure, SourceFailed) else answer.text[:2000]
        if isinstance(failure, Unreadable):
            reason = f"{source.name}: its answer is {failure}"
        if said is not None:
            unread = pd.DataFrame([{"source": source.name, "answer": said, "reason": reason}])
            facts.quarantine(home, "context", unread, "rest", now)
            outcome.quarantined = 1
        outcome.failures = [reason]
        states[["state", "reason"]] = ("failed", reason)
    else:
        good, refused = contracts.validate(rows, "context", now)
        facts.quarantine(home, "context", refused, "rest", now)
        outcome.written = facts.write(home, "context", good, "rest", now, origin=answer.origin)
        outcome.quarantined = len(refused)
        for row in refused.to_dict("records"):
            of_its_day = states.index.strftime("%Y-%m-%d") == row["observed_date"]
            states.loc[of_its_day, ["state", "reason"]] = ("partial", f"{source.name}: refused: {row['reason']}")
    outcome.notes = {reason: int(hours) for reason, hours in states["reason"].dropna().value_counts().items()}
    receipts = coverage.receipts(source.name, "context", source.series, states)
    _keep_receipts(home, receipts, now, answer.origin)
    return outcome


def _context_rows(source: Source, rows: list[Row], first: datetime, end: datetime, now: datetime) -> pd.DataFrame:
    """Rows of an answer in the contract's columns, less those of days that nobody asked for.

    What lies after now isn't among these: it can't be right, and the border refuses it.
    """
    columns = ["observed_date", "value", "payload", "fault"]
    frame = pd.DataFrame([vars(row) for row in rows], columns=columns, dtype=object)
    days = pd.to_datetime(frame["observed_date"].astype("string"), format="%Y-%m-%d", errors="coerce", utc=True)
    known = [None if pd.isna(day) else f"{source.known_on(day.date())}" for day in days]
    frame = frame.assign(
        source=source.name, series=source.series, unit=source.unit, known_at=pd.Series(known, dtype=object)
    )
    return frame[~((days < pd.Timestamp(first)) | ((days >= pd.Timestamp(end)) & (days <= pd.Timestamp(now))))]


def import_file(home: Path, dataset: str, file: str, now: datetime) -> Outcome:
    """Takes a user's archive (Parquet or CSV in the contract's columns) through the same border as a fetch.

    Raises ValueError like `read_archive`.
    """
    frame = read_archive(dataset, file)
    good, refused = contracts.validate(frame, dataset, now)
    facts.quarantine(home, dataset, refused, "import", now)
    return Outcome(written=facts.write(home, dataset, good, "import", now), quarantined=len(refused))


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
    return frame.assign(payload=facts.as_json(frame))


def _chunks(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    while start < end:
        yield start, min(start + CHUNK, end)
        start += CHUNK


def _begun(fetch: Fetch, dataset: str) -> set[str]:
    """The symbols of which something was observed before the range: what lacks in it is a hole."""
    earlier = f"exchange = '{fetch.client.id}' and dataset = '{dataset}' and start_at < timestamptz '{fetch.start}'"
    return set(facts.read_raw(fetch.home, "coverage", f"{earlier} and state = 'complete'")["symbol"])


def _states(
    fetch: Fetch, dataset: str, stamps: pd.Series, events_from: datetime | None, has_begun: bool
) -> pd.DataFrame:
    if dataset == "liquidations":
        states = coverage.event_states(events_from, fetch.start, fetch.last)
    elif dataset == "funding_rates":
        states = coverage.funding_states(stamps, fetch.start, fetch.last, has_begun)
    else:
        states = coverage.series_states(stamps, fetch.start, fetch.last, has_begun)
    depth = declared()[fetch.client.id].feeds[dataset].depth
    if depth is not None:
        states.loc[states.index < earliest(fetch.client.id, dataset, fetch.now)] = ("unavailable", depth.reason)
    return states


def _write_good(fetch: Fetch, dataset: str, rows: pd.DataFrame) -> tuple[facts.Written, int, pd.DataFrame]:
    good, refused = contracts.validate(rows, dataset, fetch.now)
    if dataset == "funding_rates":
        good = _with_known_intervals(fetch, good)
    facts.quarantine(fetch.home, dataset, refused, "rest", fetch.now)
    written = facts.write(fetch.home, dataset, good, "rest", fetch.now, origin=origin(fetch.client))
    return written, len(refused), good


def _with_known_intervals(fetch: Fetch, settled: pd.DataFrame) -> pd.DataFrame:
    """An interval that is known stays known, though the settlement before is no longer returned."""
    blank = settled[settled["interval_hours"].isna()]
    if blank.empty:
        return settled
    moments = ", ".join(f"timestamptz '{moment}'" for moment in blank["funded_at"].unique())
    same = f"exchange = '{fetch.client.id}' and interval_hours is not null and funded_at in ({moments})"
    held = facts.read_raw(fetch.home, "funding_rates", same).set_index(["symbol", "funded_at"])["interval_hours"]
    keys = pd.MultiIndex.from_frame(blank[["symbol", "funded_at"]])
    known = pd.Series(held.reindex(keys).to_numpy(), index=blank.index)
    return settled.assign(interval_hours=settled["interval_hours"].fillna(known))


def _leave_receipts(fetch: Fetch, receipts: pd.DataFrame) -> None:
    _keep_receipts(fetch.home, receipts, fetch.now, origin(fetch.client))


def _keep_receipts(home: Path, receipts: pd.DataFrame, now: datetime, origin: str) -> None:
    """Writes receipts of one exchange or source, less those that would take back what is known."""
    if not receipts.empty:
        first, last = receipts["start_at"].min(), receipts["start_at"].max()
        same = f"feed = 'rest' and start_at between timestamptz '{first}' and timestamptz '{last}'"
        held = facts.read_raw(home, "coverage", f"exchange = '{receipts['exchange'].iloc[0]}' and {same}")
        good, refused = contracts.validate(coverage.without_falls(receipts, held), "coverage", now)
        facts.quarantine(home, "coverage", refused, "rest", now)
        facts.write(home, "coverage", good, "rest", now, origin=origin)
