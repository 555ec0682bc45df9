"""Native rows in, contract rows out.

Here belongs how an exchange is read: which requests a dataset needs, in which range, and which rows of an answer
count. The folder of an exchange holds what is true of it alone, `client` the connection and retries, `wire` the
reading of cells. What a row is worth is decided at the border (`contracts`), which hours were observed in `coverage`.

Of ccxt only the native methods are used: its unified parsers get sides, values and contract sizes wrong.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import TYPE_CHECKING

import pandas as pd

from orchestration.exchanges import declared, reader
from orchestration.exchanges.client import call
from orchestration.exchanges.paging import Endpoint, Window, event_pages, pages
from orchestration.exchanges.wire import HOUR, cells, in_coins, milliseconds

if TYPE_CHECKING:
    import ccxt

TIMES = {
    "candles": "opened_at",
    "open_interest": "observed_at",
    "funding_rates": "funded_at",
    "liquidation_totals": "period_start_at",
    "liquidations": "occurred_at",
}

# A settlement comes every 1 to 8 hours: windows are cut for the longest interval, and rows are looked for wherever the
# shortest leaves room. The one before the range is asked for too, since it tells the first interval.
LONGEST_FUNDING_INTERVAL = 8 * HOUR
SHORTEST_FUNDING_INTERVAL = HOUR - 60_000
FUNDING_LOOK_BACK = 8 * HOUR + 60_000

ROWS_PER_FRAME = 1000


@dataclass(frozen=True)
class Page:
    """One answer: rows by dataset, in the columns of their contracts plus `payload`.

    `covered_from` is only set on the last page of an event feed, and says from when on the feed was really seen; None
    on that page too if the exchange returned no event at all.
    """

    frames: dict[str, pd.DataFrame] = field(default_factory=dict)
    covered_from: datetime | None = None


def earliest(exchange: str, dataset: str, now: datetime) -> datetime | None:
    """The first full hour that the exchange still serves at `now`, safely inside its declared depth; None: no limit."""
    depth = declared()[exchange].feeds[dataset].depth
    return None if depth is None else _moment(_milliseconds(now - depth.reach) // HOUR * HOUR + HOUR)


def hours_per_request(exchange: str, datasets: Sequence[str]) -> int | None:
    """How many hours of `datasets` of one endpoint one request can hold; None of events, which come by their number."""
    if tuple(datasets) == ("liquidations",):
        return None
    limit = _endpoint(exchange, datasets).limit
    if "funding_rates" in datasets:
        return limit * LONGEST_FUNDING_INTERVAL // HOUR - FUNDING_LOOK_BACK // HOUR - 1
    return limit - 1 if "open_interest" in datasets else limit  # of open interest the end stamp is asked for too


def fetch_instruments(client: "ccxt.Exchange", assets: Sequence[str]) -> pd.DataFrame:
    """Rows of instruments plus `payload`: the linear USDT perpetuals of `assets`; what isn't listed is absent.

    Raises FetchFailed.
    """
    return fetch_listing(client, assets)[0]


def fetch_listing(client: "ccxt.Exchange", assets: Sequence[str]) -> tuple[pd.DataFrame, dict[str, str], bool]:
    """Like `fetch_instruments`; and what comes near an asset that isn't among them, and whether anything is listed.

    Raises FetchFailed.
    """
    module = reader(client.id)
    rows = call(lambda: module.list_instruments(client), client, "instruments")
    listed = module.instruments(rows, assets)
    missing = [asset for asset in assets if asset not in set(listed["asset"])]
    return listed, {asset: near for asset in missing if (near := _near(module, rows, asset))}, bool(rows)


def _near(module: ModuleType, rows: list[dict], asset: str) -> str | None:
    """The listed contract that comes nearest to an asset's perpetual, and of which kind it is."""
    like = re.compile(rf"{re.escape(asset)}[-_]?USDT.*")
    for row in rows:
        if isinstance(row.get(module.ID), str) and like.fullmatch(row[module.ID]):
            stated = [row.get(cell) for cell in ("contractType", "ctType", "type", "status", "state")]
            return f"{row[module.ID]} ({', '.join(str(cell) for cell in stated if cell)})"
    return None


def fetch_pages(
    client: "ccxt.Exchange",
    datasets: Sequence[str],
    instrument: Mapping,
    start: datetime,
    end: datetime,
    now: datetime,
) -> Iterator[Page]:
    """Answers for `datasets` of one endpoint (see `Declaration.groups`) and one instrument over [start, end).

    `instrument` is a row of `fetch_instruments`; its `versions`, if there are any, say which terms hold from when on:
    (milliseconds, contract_size, multiplier), the oldest first. A row is read with those of its own time. Only what is
    closed at `now` is returned; open interest also at `end` itself. The start is moved to where the exchange's declared
    depth begins. Rows come once each, in no particular order. Raises FetchFailed; the pages before it stand.
    """
    bounds = {dataset: _bounds(client.id, dataset, start, end, now) for dataset in datasets}
    if tuple(datasets) == ("liquidations",):
        yield from _fetch_liquidations(client, instrument, *bounds["liquidations"])
        return
    endpoint = _endpoint(client.id, datasets)
    for rows in _batches(_series(client, endpoint, datasets, instrument, bounds, _milliseconds(now))):
        yield Page(
            {
                dataset: _within(_read(endpoint, dataset, rows, instrument), TIMES[dataset], *bounds[dataset])
                for dataset in datasets
            }
        )


def _read(endpoint: Endpoint, dataset: str, rows: list, instrument: Mapping) -> pd.DataFrame:
    """Contract rows of native ones, in coins, each with the terms of its own time."""
    read, versions = endpoint.datasets[dataset], instrument.get("versions") or []
    if dataset == "funding_rates" or len(versions) < 2:  # rates know no size, and need their neighbours
        return in_coins(read(rows, instrument), instrument.get("multiplier", 1))
    stamps = [milliseconds(cell, endpoint.unit) for cell in cells(rows, endpoint.time)]
    return _read_by_version(read, rows, stamps, instrument)


def _read_by_version(
    read: Callable[[list, Mapping], pd.DataFrame], rows: list, stamps: list[int | None], instrument: Mapping
) -> pd.DataFrame:
    """Contract rows, in coins; a row without a stamp is read with the latest terms: the border refuses it."""
    frames = []
    since = [moment for moment, _, _ in instrument["versions"]]
    holding = [len(since) - 1 if stamp is None else max(bisect_right(since, stamp) - 1, 0) for stamp in stamps]
    for place, (_, contract_size, multiplier) in enumerate(instrument["versions"]):
        of_version = [row for row, its in zip(rows, holding, strict=True) if its == place]
        if of_version:
            terms = {**instrument, "contract_size": contract_size, "multiplier": multiplier}
            frames.append(in_coins(read(of_version, terms), multiplier))
    return pd.concat(frames, ignore_index=True) if frames else read([], instrument)


def _endpoint(exchange: str, datasets: Sequence[str]) -> Endpoint:
    return next(endpoint for endpoint in reader(exchange).ENDPOINTS if set(datasets) <= set(endpoint.datasets))


def _batches(pages: Iterator[list]) -> Iterator[list]:
    """Small pages put together: a frame costs as much for a hundred rows as for a thousand."""
    batch: list = []
    for page in pages:
        batch += page
        if len(batch) >= ROWS_PER_FRAME:
            yield batch
            batch = []
    if batch:
        yield batch


def _series(
    client: "ccxt.Exchange",
    endpoint: Endpoint,
    datasets: Sequence[str],
    instrument: Mapping,
    bounds: Mapping[str, tuple[int, int]],
    now: int,
) -> Iterator[list]:
    """Native rows of a regular series, page by page."""
    native_id = reader(client.id).native_id(json.loads(instrument["payload"]))
    what = f"{' and '.join(datasets)} of {instrument['symbol']}"
    first, last = min(first for first, _ in bounds.values()), max(last for _, last in bounds.values())
    if first > last:
        return

    def ask(low: int, high: int) -> list:
        return call(lambda: endpoint.ask(client, native_id, Window(low, high, now)), client, what)

    def stamp(row: object) -> int | None:
        return milliseconds(cells([row], endpoint.time)[0], endpoint.unit)

    if "funding_rates" in datasets:
        spacing = {"step": LONGEST_FUNDING_INTERVAL, "gap": SHORTEST_FUNDING_INTERVAL, "limit": endpoint.limit}
        settlements = pages(ask, stamp, first - FUNDING_LOOK_BACK, last, **spacing, keeps_pace=True)
        # An interval needs its neighbour, which may stand on another page; settlements are few.
        if rows := [row for page in settlements for row in page]:
            yield rows
    else:
        yield from pages(ask, stamp, first, last, limit=endpoint.limit, step=HOUR)


def _fetch_liquidations(client: "ccxt.Exchange", instrument: Mapping, first: int, last: int) -> Iterator[Page]:
    """Events backwards from `last`; the last page tells how far back they were seen."""
    module = reader(client.id)
    native_id = module.native_id(json.loads(instrument["payload"]))
    if first > last:
        yield Page()
        return

    def ask(before: int) -> list:
        what = f"liquidations of {instrument['symbol']}"
        return call(lambda: module.ask_liquidations(client, native_id, before), client, what)

    for rows, covered_from in event_pages(ask, module.liquidation_stamp, first, last):
        frames = {}
        if rows and len(instrument.get("versions") or []) > 1:
            stamps = [module.liquidation_stamp(row) for row in rows]
            frames["liquidations"] = _read_by_version(module.liquidations, rows, stamps, instrument)
        elif rows:
            frames["liquidations"] = in_coins(module.liquidations(rows, instrument), instrument.get("multiplier", 1))
        yield Page(frames, None if covered_from is None else _moment(covered_from))


def _bounds(exchange: str, dataset: str, start: datetime, end: datetime, now: datetime) -> tuple[int, int]:
    """First and last stamp that count, in milliseconds: inside the range, closed at `now`, and not beyond the depth."""
    oldest = earliest(exchange, dataset, now)
    first = _milliseconds(start if oldest is None else max(start, oldest))
    end_ms, now_ms = _milliseconds(end), _milliseconds(now)
    if dataset == "open_interest":
        return first, min(end_ms, now_ms)
    is_bar = dataset in ("candles", "liquidation_totals")
    return first, min(end_ms - 1, now_ms - HOUR if is_bar else now_ms)


def _within(frame: pd.DataFrame, time: str, first: int, last: int) -> pd.DataFrame:
    """Rows with a time in [first, last], and those without one, which the border has to see."""
    is_inside = frame[time].between(pd.Timestamp(_moment(first)), pd.Timestamp(_moment(last)))
    return frame[is_inside | frame[time].isna()].reset_index(drop=True)


def _milliseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def _moment(stamp: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=stamp)
