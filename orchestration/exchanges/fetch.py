"""Native rows in, contract rows out.

Here belongs how an exchange is read: which requests a dataset needs, in which range, and which rows of an answer
count. The folder of an exchange holds what is true of it alone, `client` the connection and retries, `wire` the
reading of cells. What a row is worth is decided at the border (`contracts`), which hours were observed in `coverage`.

Of ccxt only the native methods are used: its unified parsers get sides, values and contract sizes wrong.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pandas as pd

from orchestration.exchanges import declared, reader
from orchestration.exchanges.client import call
from orchestration.exchanges.paging import Endpoint, Window, event_pages, pages
from orchestration.exchanges.tickers import coin
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

NAMES = ("symbol", "instId", "name")  # cells of listed contracts, for people alone
KINDS = ("contractType", "symbolType", "ctType", "type", "status", "symbolStatus", "state")


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


@dataclass(frozen=True)
class Listing:
    """What an exchange lists of some assets.

    `instruments` are rows of that dataset plus `has_ended` (it trades no longer) and `payload`: linear USDT perpetuals.
    `unknown` holds what else looks like one of the assets, of a kind that isn't known: (symbol, asset) and a sentence;
    `near` says of an asset without either what comes nearest (a dated contract, one that doesn't trade yet).
    `is_empty`: nothing at all is listed.
    """

    instruments: pd.DataFrame
    unknown: Mapping[tuple[str, str], str]
    near: Mapping[str, str]
    is_empty: bool


def fetch_listing(client: "ccxt.Exchange", assets: Sequence[str]) -> Listing:
    """What an exchange lists of `assets`. Raises FetchFailed."""
    module = reader(client.id)
    rows = call(lambda: module.list_instruments(client), client, "instruments")
    near = [(coin(ticker, assets)[0], native_id, kind) for ticker, native_id, kind in module.unknown_kinds(rows)]
    unknown = {
        (symbol_of(client.id, native_id), asset): f"{client.id} lists {native_id} of a kind that is not known: {kind}"
        for asset, native_id, kind in near
        if asset in assets
    }
    listed = module.instruments(rows, assets)
    lacking = set(assets) - set(listed["asset"]) - {asset for _, asset in unknown}
    return Listing(listed, unknown, _nearest(client.id, rows, lacking), not rows)


def _nearest(exchange: str, rows: list[dict], assets: Collection[str]) -> dict[str, str]:
    """The first contract whose name begins with an asset and its currency, and what the exchange calls it."""
    found: dict[str, str] = {}
    for row in rows:
        name = next((row[cell] for cell in NAMES if isinstance(row.get(cell), str)), "")
        stated = ", ".join(str(row[cell]) for cell in KINDS if row.get(cell))
        for asset in assets:
            if re.match(rf"{re.escape(asset)}[-_]?USD", name):
                found.setdefault(
                    asset, f"{exchange} lists {name} ({stated}), which is no perpetual in USDT that trades"
                )
    return found


def name_of(exchange: str, symbol: str) -> str:
    """How an exchange calls a linear USDT perpetual."""
    return symbol.partition("/")[0] + declared()[exchange].suffix


def symbol_of(exchange: str, native_id: str) -> str:
    """The unified symbol of what an exchange calls so."""
    return f"{native_id.removesuffix(declared()[exchange].suffix)}/USDT:USDT"


def fetch_contract(client: "ccxt.Exchange", native_id: str, assets: Sequence[str]) -> pd.DataFrame:
    """Like `Listing.instruments`, of one contract that the listing lacks and that so has ended; empty if unknown.

    Raises FetchFailed.
    """
    module = reader(client.id)
    rows = call(lambda: module.ask_contract(client, native_id), client, f"contract {native_id}")
    return module.instruments(rows, assets).assign(has_ended=True)


def fetch_pages(
    client: "ccxt.Exchange",
    datasets: Sequence[str],
    instrument: Mapping,
    start: datetime,
    end: datetime,
    now: datetime,
) -> Iterator[Page]:
    """Answers for `datasets` of one endpoint (see `Declaration.groups`) and one instrument over [start, end).

    `instrument` is a row of instruments and, where its terms have changed, its `versions` (`wire.contract_sizes`).
    Rows are in coins, whatever the multiplier, and `fault` of one that contradicts its instrument says why. Only what
    is closed at `now` is returned; open interest also at `end` itself. The start is moved to where the exchange's
    declared depth begins. Rows come once each, in no particular order. Raises FetchFailed; the pages before it stand.
    """
    bounds = {dataset: _bounds(client.id, dataset, start, end, now) for dataset in datasets}
    if tuple(datasets) == ("liquidations",):
        yield from _fetch_liquidations(client, instrument, *bounds["liquidations"])
        return
    endpoint = _endpoint(client.id, datasets)
    for rows in _batches(_series(client, endpoint, datasets, instrument, bounds, _milliseconds(now))):
        yield Page(
            {
                dataset: _within(_read(endpoint.datasets[dataset], rows, instrument), TIMES[dataset], *bounds[dataset])
                for dataset in datasets
            }
        )


def _read(read: Callable[[list, Mapping], pd.DataFrame], rows: list, instrument: Mapping) -> pd.DataFrame:
    return in_coins(read(rows, instrument), instrument["multiplier"])


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
    native_id = name_of(client.id, instrument["symbol"])
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
    native_id = name_of(client.id, instrument["symbol"])
    if first > last:
        yield Page()
        return

    def ask(before: int) -> list:
        what = f"liquidations of {instrument['symbol']}"
        return call(lambda: module.ask_liquidations(client, native_id, before), client, what)

    for rows, covered_from in event_pages(ask, module.liquidation_stamp, first, last):
        frames = {"liquidations": _read(module.liquidations, rows, instrument)} if rows else {}
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
