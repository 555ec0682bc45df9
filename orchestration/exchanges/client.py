"""The way to an exchange and back: connection, retries, paging, limits.

Here belongs what holds for every exchange alike. What is asked of one exchange and how its rows are read lives in the
module that bears its name; how a cell of a native row becomes a typed value lives in `wire`.
"""

import ipaddress
import json
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import ccxt
    import pandas as pd

T = TypeVar("T")

TIMEOUT_MILLISECONDS = 20_000
TRIES = 5
FIRST_WAIT_SECONDS = 0.5
FIRST_WAIT_SECONDS_WHEN_LIMITED = 5.0
PATIENCE_SECONDS = 60.0  # for one question: an exchange that is silent for longer fails this run, not the schedule

# Only what we watch is loaded: ccxt's default also asks for spot, options and, on OKX and Gate, for every currency.
MARKET_TYPES = {"binance": "linear", "bybit": "linear", "okx": "swap", "gate": "swap"}

# 403 and 451 are answers to where we are, not to what we ask; ccxt calls them ExchangeNotAvailable or
# RateLimitExceeded, so its classes alone would have us knock for ever.
BLOCKED_STATUSES = {403, 451}
BLOCKED_WORDS = re.compile(r"block access|restricted location|restricted country", re.IGNORECASE)


class FetchFailed(Exception):
    """An exchange could not be read. The text is one line for people: exchange, what was asked, why it failed.

    `concerns_symbol`: the exchange answers, but not this question; else it is out of reach, blocks or throttles us, and
    other questions would fare no better.
    """

    def __init__(self, reason: str, concerns_symbol: bool = False) -> None:
        super().__init__(reason)
        self.concerns_symbol = concerns_symbol


class Window(NamedTuple):
    """What a request asks for: rows with a stamp in [first, last]; `now` is the as-of clock. Milliseconds."""

    first: int
    last: int
    now: int


@dataclass(frozen=True)
class Endpoint:
    """How an exchange serves a regular series, as its module declares it.

    `ask(client, native id, window)` returns at most `limit` native rows; `time` is the cell that holds a row's stamp,
    in units of `unit` milliseconds; `datasets` are those it serves, each with the function that reads them from the
    rows.
    """

    ask: Callable[["ccxt.Exchange", str, Window], list]
    time: int | str
    limit: int
    datasets: Mapping[str, Callable[[list, Mapping], "pd.DataFrame"]]
    unit: int = 1


def open_client(exchange: str, url: str | None) -> "ccxt.Exchange":
    """A ccxt client for the exchange's public endpoints; with `url`, all traffic goes to `<url>/<exchange>/<path>`."""
    import ccxt

    client = getattr(ccxt, exchange)(
        {
            # Rate limits protect the exchange; a server on this machine has nobody to protect.
            "enableRateLimit": url is None or not is_loopback(url),
            "timeout": TIMEOUT_MILLISECONDS,
            "options": {"fetchMarkets": {"types": [MARKET_TYPES[exchange]]}},
        }
    )
    client.has["fetchCurrencies"] = False
    if url is not None:
        redirect(client, url)
    return client


def redirect(client: "ccxt.Exchange", url: str) -> None:
    """Sends a client's REST and WebSocket traffic to `<url>/<ccxt id>/<original path>` (`url` is http or https)."""
    client.urls["api"] = _redirected(client.urls["api"], f"{url.rstrip('/')}/{client.id}")


def is_loopback(url: str) -> bool:
    """Whether a URL's host is this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def call(
    request: Callable[[], T],
    client: "ccxt.Exchange",
    what: str,
    *,
    tries: int = TRIES,
    sleep: Callable[[float], None] = time.sleep,
    jitter: Callable[[], float] = random.random,
) -> T:
    """The answer to `request`, asked again with growing waits where that may help; `what` names it for people.

    Asked again: whatever ccxt calls an operation that failed (network, time-out, overload, an answer that isn't what it
    should be) and errors that ccxt can't classify (Bybit's 10016, a truncated body). Never: a block of our location, an
    unknown symbol, a bad request. A `Retry-After` is honoured, or given up on if it exceeds our patience.
    Raises FetchFailed.
    """
    import ccxt

    spent = 0.0
    for attempt in range(1, tries + 1):
        client.last_response_headers = None
        try:
            return request()
        except ccxt.BaseError as error:
            wait = _wait_seconds(error, client.last_response_headers, attempt, jitter())
            is_silent = isinstance(error, ccxt.RequestTimeout) and _status(error) is None
            spent += client.timeout / 1000 if is_silent else 0
            if wait is None or attempt == tries or spent + wait > PATIENCE_SECONDS:
                asked = f" (asked {attempt} times)" if attempt > 1 else ""
                reason = f"{client.id}: {what}: {_reason(error, client)}{asked}"
                raise FetchFailed(reason, concerns_symbol=not _concerns_exchange(error)) from error
            sleep(wait)
            spent += wait
    raise ValueError(f"tries is {tries}: ask at least once")


def pages(
    ask: Callable[[int, int], list],
    stamp: Callable[[object], int | None],
    first: int,
    last: int,
    *,
    limit: int,
    step: int,
    gap: int | None = None,
) -> Iterator[list]:
    """Every row of a series with a stamp in [first, last] exactly once, page by page as it arrives. Milliseconds.

    `ask(low, high)` returns rows of [low, high], possibly fewer than there are and possibly some outside. The range
    is cut into windows of `limit` rows that are `step` apart. Where the rows of an answer leave room for another row
    (`gap`, the least distance of two rows, by default `step`) before the oldest or after the newest of them, that
    room is asked again, until an answer brings no new row. So a server that silently caps its pages, whichever end it
    keeps, loses nothing. A row without a usable stamp is passed on once: the border has to see it.
    """
    gap = gap or step
    odd = set()
    for window in range(first, last + 1, limit * step):
        seen = set()
        rooms = [(window, min(window + limit * step - 1, last))]
        while rooms:
            low, high = rooms.pop()
            fresh, inside = [], []
            for row in ask(low, high):
                moment = stamp(row)
                if moment is None:
                    text = json.dumps(row)
                    if text not in odd:
                        odd.add(text)
                        fresh.append(row)
                elif low <= moment <= high and moment not in seen:
                    seen.add(moment)
                    inside.append(moment)
                    fresh.append(row)
            if fresh:
                yield fresh
            if inside:
                rooms += [
                    (start, end)
                    for start, end in ((low, min(inside) - 1), (max(inside) + 1, high))
                    if end - start >= gap - 1
                ]


def event_pages(
    ask: Callable[[int], list], stamp: Callable[[object], int | None], first: int, last: int
) -> Iterator[tuple[list, int | None]]:
    """(rows, covered_from) of events in [first, last], newest page first. Milliseconds.

    `ask(before)` returns the newest events that are older than `before`. The last pair tells how far back the feed
    was really seen: `first` if an older event came up; else, the exchange's memory having ended, the oldest event,
    since what was quiet and what is forgotten look alike from here; None if there was no event at all. Every other
    pair has None. The events of a page's oldest millisecond are left to the next page, which is asked to include
    them: so a page that ends between two of them neither loses nor doubles any.
    """
    before, oldest_seen, odd = last + 1, None, set()
    while True:
        answer = [(row, stamp(row)) for row in ask(before)]
        unstamped = {json.dumps(row): row for row, moment in answer if moment is None}
        rows = [row for text, row in unstamped.items() if text not in odd]
        odd |= unstamped.keys()
        older = [(row, moment) for row, moment in answer if moment is not None and moment < before]
        if not older:
            yield rows, oldest_seen
            return
        oldest, newest = min(moment for _, moment in older), max(moment for _, moment in older)
        is_left_to_next = first <= oldest < newest
        rows += [row for row, moment in older if moment >= first and not (is_left_to_next and moment == oldest)]
        if oldest < first:
            yield rows, first
            return
        yield rows, None
        oldest_seen, before = oldest, oldest + 1 if is_left_to_next else oldest


def _redirected(address: object, base: str) -> object:
    """Hosts replaced, paths kept, through however many levels ccxt nests its addresses."""
    if isinstance(address, dict):
        return {name: _redirected(part, base) for name, part in address.items()}
    if not isinstance(address, str):
        return address
    web = re.sub(r"^https?://[^/]+", lambda _: base, address)
    return re.sub(r"^wss?://[^/]+", lambda _: re.sub("^http", "ws", base), web)


def _wait_seconds(error: Exception, headers: object, attempt: int, jitter: float) -> float | None:
    """How long to wait before asking again, or None where asking again is useless."""
    import ccxt

    is_limited = isinstance(error, (ccxt.DDoSProtection, ccxt.RateLimitExceeded))
    # A plain ExchangeError is one that ccxt can't classify, most often a body cut short or an internal error.
    may_pass = isinstance(error, ccxt.OperationFailed) or type(error) is ccxt.ExchangeError
    if _is_blocked(error) or not may_pass:
        return None
    spread = 2 ** (attempt - 1) * (0.5 + jitter / 2)
    asked_for = _retry_after_seconds(headers)
    if asked_for is not None:
        return max(asked_for, FIRST_WAIT_SECONDS * spread)
    return (FIRST_WAIT_SECONDS_WHEN_LIMITED if is_limited else FIRST_WAIT_SECONDS) * spread


def _retry_after_seconds(headers: object) -> float | None:
    """`Retry-After` in seconds; its rarer form, a date, is read as absent, since clocks differ."""
    text = str(headers.get("Retry-After", "")) if headers is not None else ""
    return float(text) if text.isdecimal() else None


def _is_blocked(error: Exception) -> bool:
    import ccxt

    return (
        isinstance(error, ccxt.RestrictedLocation)
        or _status(error) in BLOCKED_STATUSES
        or BLOCKED_WORDS.search(str(error)) is not None
    )


def _concerns_exchange(error: Exception) -> bool:
    import ccxt

    refuses_us = isinstance(error, (ccxt.DDoSProtection, ccxt.RateLimitExceeded, ccxt.AuthenticationError))
    is_out_of_reach = isinstance(error, ccxt.NetworkError) and _status(error) is None
    return _is_blocked(error) or refuses_us or is_out_of_reach


def _status(error: Exception) -> int | None:
    """The HTTP status of a failed answer: ccxt keeps it only in the error that it handled."""
    response = getattr(error.__cause__ or error.__context__, "response", None)
    return getattr(response, "status_code", None)


def _reason(error: Exception, client: "ccxt.Exchange") -> str:
    """Why it failed, in one line without addresses and pages of HTML."""
    import ccxt

    status = _status(error)
    said = _said(str(error), client.id)
    if status is not None:
        seconds = _retry_after_seconds(client.last_response_headers)
        parts = [f"HTTP {status}", f": {said}" if said else ""]
        parts.append("; it refuses our location or address" if _is_blocked(error) else "")
        parts.append(f"; it asks us to wait {seconds:.0f} s" if seconds else "")
        return "".join(parts)
    if isinstance(error, ccxt.RequestTimeout):
        return f"no answer within {client.timeout / 1000:.0f} s"
    if isinstance(error, ccxt.NetworkError) and not said:
        cause = re.search(r"\[Errno -?\d+\] ([\w ]+)", str(error.__cause__))
        return f"can't be reached: {cause.group(1).lower() if cause else 'the connection broke'}"
    cause = f" ({type(error.__cause__).__name__})" if error.__cause__ else ""
    return said or f"its answer was cut short or can't be read{cause}"


def _said(text: str, exchange: str) -> str:
    """What the exchange itself says in an error's text: code and message of its JSON, or a short plain sentence."""
    try:
        answer = json.loads(text[text.index("{") :])
    except ValueError:
        answer = None
    if isinstance(answer, dict):
        parts = [answer.get(key) for key in ("code", "retCode", "label", "msg", "retMsg", "message", "detail")]
        text = " ".join(str(part) for part in parts if part not in (None, ""))
    elif "://" in text or "<" in text:
        return ""
    return " ".join(text.removeprefix(exchange).split())[:160].rstrip(".")
