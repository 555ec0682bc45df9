"""The way to an exchange and back: connection, retries, rate limits, and why it failed.

Here belongs what holds for every exchange alike. What is asked of one exchange and how its rows are read stands in its
folder, how pages follow each other in `paging`, how a cell becomes a typed value in `wire`.
"""

import ipaddress
import json
import random
import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from orchestration.exchanges import declared

if TYPE_CHECKING:
    import ccxt

    from orchestration.exchanges.session import Refusal

    Client = ccxt.Exchange  # what rooms that know no ccxt call it

T = TypeVar("T")

TIMEOUT_MILLISECONDS = 20_000
TRIES = 5
FIRST_WAIT_SECONDS = 0.5
FIRST_WAIT_SECONDS_WHEN_LIMITED = 5.0
PATIENCE_SECONDS = 60.0  # for one question: an exchange that is silent for longer fails this run, not the schedule

ORIGIN = r"live|(simulated|replayed):[\w.-]+"  # of rows: an exchange, or which tape stood in for it
ORIGIN_HEADER = "Market-Stress-Origin"  # in which a server that stands in says so

# 403 and 451 are answers to where we are, not to what we ask; ccxt calls them ExchangeNotAvailable or
# RateLimitExceeded, so its classes alone would have us knock for ever.
BLOCKED_STATUSES = {403, 451}
BLOCKED_WORDS = re.compile(r"block access|restricted location|restricted country", re.IGNORECASE)

# An answer of the exchange itself that speaks of what was asked: a closed contract is no less closed the fifth time.
# ccxt knows only some of these codes (Binance's -1122 and Gate's CONTRACT_IN_DELISTING are plain errors to it, Bybit's
# 10029 a lack of rights).
SYMBOL_WORDS = re.compile(r"symbol|contract|instrument|trading.?pair|delist", re.IGNORECASE)
PASSING_WORDS = re.compile(r"server error|internal|busy|try again|timeout", re.IGNORECASE)


class FetchFailed(Exception):
    """An exchange could not be read. The text is one line for people: exchange, what was asked, why it failed.

    `concerns_symbol`: the exchange answers, but not this question; else it is out of reach, blocks or throttles us, and
    other questions would fare no better. `refuses_symbol`: it says that it doesn't serve the symbol (unknown, closed).
    """

    def __init__(self, reason: str, concerns_symbol: bool = False, refuses_symbol: bool = False) -> None:
        super().__init__(reason)
        self.concerns_symbol = concerns_symbol
        self.refuses_symbol = refuses_symbol


def open_client(exchange: str, url: str | None) -> "ccxt.Exchange":
    """A ccxt client for the public endpoints of a declared exchange.

    With `url`, all traffic goes to `<url>/<exchange>/<path>`. Each request and each answer is bounded (`session`).
    """
    import ccxt

    from orchestration.exchanges.session import BoundedSession

    client = getattr(ccxt, exchange)(
        {
            # Rate limits protect the exchange; a server on this machine has nobody to protect.
            "enableRateLimit": url is None or not is_loopback(url),
            "timeout": TIMEOUT_MILLISECONDS,
            # Only what we watch may be loaded: ccxt's default also asks for spot and options, and for every currency.
            "options": {"fetchMarkets": {"types": list(declared()[exchange].market_types)}},
        }
    )
    client.has["fetchCurrencies"] = False
    client.session.close()
    client.session = BoundedSession()
    client.session.trust_env = client.requests_trust_env
    if url is not None:
        redirect(client, url)
    return client


def redirect(client: "ccxt.Exchange", url: str) -> None:
    """Sends a client's REST and WebSocket traffic to `<url>/<ccxt id>/<original path>` (`url` is http or https)."""
    client.urls["api"] = _redirected(client.urls["api"], f"{url.rstrip('/')}/{client.id}")


def origin(client: "ccxt.Exchange") -> str:
    """Where the latest answer came from, see `stated_origin`."""
    return stated_origin(client.last_response_headers or {})


def stated_origin(headers: Mapping[str, str]) -> str:
    """Where an answer came from: `live`, or `simulated:<tape>` or `replayed:<tape>` if the server says so."""
    said = headers.get(ORIGIN_HEADER)
    return "live" if said is None else said if re.fullmatch(ORIGIN, said) else "simulated:unknown"


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
    unknown or closed symbol, a bad request, what the exchange refuses with a code of its own and an HTTP status of
    400 to 499, nor what our session has refused: an answer that dripped for a minute has used up our patience, one that
    is too large or leads elsewhere would be so again. A `Retry-After` is honoured, or given up on if it exceeds our
    patience.
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
                refuses_symbol = _refuses_symbol(error)
                concerns_symbol = refuses_symbol or not _concerns_exchange(error)
                raise FetchFailed(reason, concerns_symbol, refuses_symbol) from error
            sleep(wait)
            spent += wait
    raise ValueError(f"tries is {tries}: ask at least once")


def _redirected(address: object, base: str) -> object:
    """Hosts replaced, paths kept, through however many levels ccxt nests its addresses."""
    if isinstance(address, dict):
        return {name: _redirected(part, base) for name, part in address.items()}
    if not isinstance(address, str):
        return address
    web = re.sub(r"^https?://[^/]+", lambda _: base, address)
    return re.sub(r"^wss?://[^/]+", lambda _: re.sub("^http", "ws", base), web)


def _wait_seconds(error: Exception, headers: Mapping[str, str] | None, attempt: int, jitter: float) -> float | None:
    """How long to wait before asking again, or None where asking again is useless."""
    import ccxt

    is_limited = isinstance(error, (ccxt.DDoSProtection, ccxt.RateLimitExceeded))
    # A plain ExchangeError is one that ccxt can't classify, most often a body cut short or an internal error.
    is_unclassified = type(error) is ccxt.ExchangeError
    is_refusal = is_unclassified and 400 <= (_status(error) or 0) < 500 and _stated(str(error)) is not None
    may_pass = isinstance(error, ccxt.OperationFailed) or (is_unclassified and not is_refusal)
    if _refused(error) or _is_blocked(error) or _refuses_symbol(error) or not may_pass:
        return None
    spread = 2 ** (attempt - 1) * (0.5 + jitter / 2)
    asked_for = _retry_after_seconds(headers)
    if asked_for is not None:
        return max(asked_for, FIRST_WAIT_SECONDS * spread)
    return (FIRST_WAIT_SECONDS_WHEN_LIMITED if is_limited else FIRST_WAIT_SECONDS) * spread


def _retry_after_seconds(headers: Mapping[str, str] | None) -> float | None:
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


def _refuses_symbol(error: Exception) -> bool:
    """Whether the exchange itself says that it doesn't serve the symbol; never a failed operation, which may pass."""
    import ccxt

    if isinstance(error, ccxt.BadSymbol):
        return True
    answer = _stated(str(error))
    if answer is None or isinstance(error, ccxt.OperationFailed) or _is_blocked(error):
        return False
    said = _sentence(answer)
    return SYMBOL_WORDS.search(said) is not None and PASSING_WORDS.search(said) is None


def _refused(error: Exception) -> "Refusal | None":
    """What our session refused, if that is why it failed."""
    from orchestration.exchanges.session import Refusal

    return error.__cause__ if isinstance(error.__cause__, Refusal) else None


def _concerns_exchange(error: Exception) -> bool:
    import ccxt

    if refusal := _refused(error):
        return refusal.concerns_exchange
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

    if refusal := _refused(error):
        return str(refusal)
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
        errno = re.search(r"\[Errno -?\d+\] ([\w ]+)", str(error.__cause__))
        return f"can't be reached: {errno.group(1).lower() if errno else 'the connection broke'}"
    cause = f" ({type(error.__cause__).__name__})" if error.__cause__ else ""
    return said or f"its answer was cut short or can't be read{cause}"


def _said(text: str, exchange: str) -> str:
    """What the exchange itself says in an error's text: code and message of its JSON, or a short plain sentence."""
    answer = _stated(text)
    if answer is not None:
        text = _sentence(answer)
    elif "://" in text or "<" in text:
        return ""
    return " ".join(text.removeprefix(exchange).split())[:160].rstrip(".")


def _stated(text: str) -> dict | None:
    """The JSON object in an error's text that states a code or label of the exchange, if there is one."""
    try:
        answer = json.loads(text[text.index("{") :])
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _sentence(answer: dict) -> str:
    parts = [answer.get(key) for key in ("code", "retCode", "label", "msg", "retMsg", "message", "detail")]
    return " ".join(str(part) for part in parts if part not in (None, ""))
