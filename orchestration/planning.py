"""What the schedule asks an exchange for: the hours that receipts don't answer, in as few requests as they take.

Here belongs which hours are missing or due once more, and how long asking may take: decided from receipts, declarations
and the clock alone, so that a run that was missed, killed or repeated needs no record of its own. How hours are asked
for lives in `ingest`. Pure functions; times are UTC and ranges half-open.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

import numpy as np
import pandas as pd

from orchestration.exchanges import declared
from orchestration.exchanges.fetch import earliest, hours_per_request

# What an exchange left out, and what it may have mended since, is asked for once more when it is that old.
ASKED_AGAIN_AFTER = (timedelta(hours=24), timedelta(days=7))
PUBLISHED_WITHIN = timedelta(hours=3)  # until then an hour that lacks may only be late: around midnight, as today's are

# How long an exchange may take: rate limits and a slow answer now and then leave room in these, a sick one doesn't.
BASE_SECONDS = 600.0
SECONDS_PER_REQUEST = 5.0

HOUR = timedelta(hours=1)
HOURS_PER_DAY = 24
ANSWERS = ("complete", "partial", "unavailable")
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Span:
    """The hours [start, end) of `symbols`, to be asked for in one go for the `datasets` of one endpoint."""

    datasets: tuple[str, ...]
    symbols: tuple[str, ...]
    start: datetime
    end: datetime


def missing(
    exchange: str, receipts: pd.DataFrame, contracts: Mapping[str, datetime | None], since: datetime, now: datetime
) -> list[Span]:
    """What to ask of an exchange at `now`, from the day of `since` on, as far back as it still serves it; oldest first.

    That is today and the last three hours; what no receipt answers (nobody asked, or in vain); what was answered as a
    hole, 24 h and 7 d after it first was; and every day that is over, 24 h and 7 d after its end. No sleep misses a
    moment at which to ask again: it counts when it lies after the last answer of the series and not after now.

    `receipts` are rows of coverage of this exchange (dataset, symbol, start_at, end_at, feed, state, ingested_at);
    `contracts` are symbols with their end, None where there is none. A hole is an hour whose best answer is `partial`,
    or `unavailable` though the series had begun before: until it begins, and past what the exchange keeps,
    `unavailable` is final.
    """
    open_from = min(_floor(now).replace(hour=0), _floor(now) - PUBLISHED_WITHIN)
    clock = _Clock(_floor(since).replace(hour=0), _floor(now), open_from, now)
    series = dict(iter(_shortened(receipts).groupby(["dataset", "symbol"])))
    found: dict[tuple[tuple[str, ...], datetime, datetime], list[str]] = {}
    for datasets in declared()[exchange].groups:
        for symbol, ends_at in contracts.items():
            needed = np.zeros(clock.hours, dtype=bool)
            for dataset in datasets:
                hours = _needed(series.get((dataset, symbol)), clock)
                hours[: clock.position(earliest(exchange, dataset, now))] = False
                needed |= hours
            if ends_at is not None:
                needed[clock.position(ends_at) :] = False
            if "funding_rates" in datasets:  # settlements of a day belong together, and cost no request more
                needed = _whole_days(needed, clock)
            for start, end in _windows(needed, hours_per_request(exchange, datasets)):
                found.setdefault((datasets, clock.moment(start), clock.moment(end)), []).append(symbol)
    spans = [Span(datasets, tuple(symbols), start, end) for (datasets, start, end), symbols in found.items()]
    return sorted(spans, key=lambda span: (span.start, span.end))


def allowed_seconds(exchange: str, spans: Iterable[Span], now: datetime) -> float:
    """How long an exchange may take for all of `spans`: 10 minutes, and 5 seconds for each request that they need.

    Events come by their number, which nobody knows before: a request is counted for each of their hours.
    """
    return BASE_SECONDS + SECONDS_PER_REQUEST * sum(_requests(exchange, span, now) for span in spans)


def _requests(exchange: str, span: Span, now: datetime) -> int:
    begins = [earliest(exchange, dataset, now) or span.start for dataset in span.datasets]
    hours = (min(span.end, now) - max(span.start, min(begins))) / HOUR
    return len(span.symbols) * ceil(max(hours, 0) / (hours_per_request(exchange, span.datasets) or 1))


@dataclass(frozen=True)
class _Clock:
    """The hours from `first` to `last` (exclusive), numbered; those from `open_from` on are asked for by every run."""

    first: datetime
    last: datetime
    open_from: datetime
    now: datetime

    @property
    def hours(self) -> int:
        return max((self.last - self.first) // HOUR, 0)

    def position(self, moment: datetime | None) -> int:
        """The number of the first hour that doesn't begin before `moment`, between 0 and `hours`."""
        return 0 if moment is None else min(max(-((self.first - moment) // HOUR), 0), self.hours)

    def moment(self, position: int) -> datetime:
        return self.first + position * HOUR


def _shortened(receipts: pd.DataFrame) -> pd.DataFrame:
    """One row for receipts that begin together and say the same: today is asked for every hour."""
    is_own = receipts["feed"] == "rest"
    keys = ["dataset", "symbol", "state", "start_at"]
    return (
        receipts[is_own | (receipts["state"] == "complete")]
        .assign(is_own=is_own)
        .groupby([*keys, "is_own"], as_index=False)
        .agg(end_at=("end_at", "max"), first_at=("ingested_at", "min"), last_at=("ingested_at", "max"))
    )


def _needed(receipts: pd.DataFrame | None, clock: _Clock) -> np.ndarray:
    """Hours of a series to ask for now, depth and end of the contract aside."""
    needed = np.ones(clock.hours, dtype=bool)
    if receipts is None or (answers := receipts[receipts["state"].isin(ANSWERS)]).empty:
        return needed
    is_complete, is_partial, is_unavailable = (np.zeros(clock.hours, dtype=bool) for _ in ANSWERS)
    marks = {"complete": is_complete, "partial": is_partial, "unavailable": is_unavailable}
    hole_since = np.full(clock.hours, NEVER)
    for row in answers.itertuples():
        hours = slice(*_inside(row.start_at, row.end_at, clock))
        marks[row.state][hours] = True
        if row.state != "complete":
            hole_since[hours] = np.minimum(hole_since[hours], row.first_at.value)
    has_begun = np.logical_or.accumulate(is_complete)
    is_hole = ~is_complete & (is_partial | (is_unavailable & has_begun))
    needed = ~(is_complete | is_partial | is_unavailable)
    needed[clock.position(clock.open_from) :] = True
    asked_at, now = _asked_at(answers), pd.Timestamp(clock.now).value
    day_ends = _day_ends(clock)
    for age in ASKED_AGAIN_AFTER:
        age_ns = pd.Timedelta(age).value
        for since, is_due in ((hole_since, is_hole), (day_ends, is_complete | is_hole)):
            needed |= is_due & (since > asked_at - age_ns) & (since <= now - age_ns)
    return needed


def _asked_at(answers: pd.DataFrame) -> int:
    """When a series was last asked for up to what was then the present and answered, in nanoseconds.

    A backfill of the past says nothing of what was due meanwhile, unless nothing else was ever asked.
    """
    own = answers[answers["is_own"]]
    current = own[own["end_at"] > own["last_at"] - pd.Timedelta(days=1)]
    asked = current if len(current) else own
    return asked["last_at"].max().value if len(asked) else NEVER


def _inside(start: datetime, end: datetime, clock: _Clock) -> tuple[int, int]:
    """The first whole hour that a receipt spans, and the one after the last."""
    return clock.position(start), clock.position(_floor(end))


def _day_ends(clock: _Clock) -> np.ndarray:
    """The end of the day of every hour, in nanoseconds."""
    hours = pd.date_range(clock.first, periods=clock.hours, freq="h")
    return (hours.floor("D") + pd.Timedelta(days=1)).as_unit("ns").asi8


def _whole_days(needed: np.ndarray, clock: _Clock) -> np.ndarray:
    days = (np.arange(clock.hours) + clock.first.hour) // HOURS_PER_DAY
    return np.isin(days, days[needed])


def _windows(needed: np.ndarray, hours_per_request: int | None) -> Iterator[tuple[int, int]]:
    """The fewest requests that hold all needed hours, as ranges of positions; those that touch are one range.

    Without a limit on hours (events, which come by their number) only what touches is asked for together.
    """
    ranges: list[list[int]] = []
    window_end = -1
    for position in np.flatnonzero(needed).tolist():
        if position >= window_end:
            if not ranges or position > ranges[-1][1]:
                ranges.append([position, position])
            window_end = position + (hours_per_request or 1)
        ranges[-1][1] = position + 1
    yield from ((first, last) for first, last in ranges)


def _floor(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
