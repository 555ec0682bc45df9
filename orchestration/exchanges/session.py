"""A requests session whose every question ends: within a deadline, with a body of bounded size, on the host asked.

Here belongs what holds of HTTP itself. What a failure means for an exchange, and whether it is asked again, is decided
in `client`.
"""

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from threading import Event, Thread
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

SECONDS = 60.0  # from connecting to the last byte, redirects included
LARGEST_BODY = 32_000_000  # bytes, as they come and unpacked alike
MOST_REDIRECTS = 3


class Refusal(requests.RequestException):
    """An answer that isn't taken; the text says why, for people. `concerns_exchange`: others would fare no better."""

    def __init__(self, reason: str, concerns_exchange: bool) -> None:
        super().__init__(reason)
        self.concerns_exchange = concerns_exchange


class BoundedSession(requests.Session):
    """A session in which a request takes `seconds` at most and an answer `largest_body` bytes.

    requests' own time-outs count the silence between two bytes, so a server that drips is never given up by them.
    After `allow`, all requests together end within what was allowed. Only redirects to the same host are followed.
    """

    def __init__(self, seconds: float = SECONDS, largest_body: int = LARGEST_BODY) -> None:
        super().__init__()
        self.seconds, self.largest_body = seconds, largest_body
        self.max_redirects = MOST_REDIRECTS
        self._allowed_seconds, self._ends_at = math.inf, math.inf

    def allow(self, seconds: float, since: float) -> None:
        """From now on nothing is asked later than `seconds` after `since`, a moment of `time.monotonic`."""
        self._allowed_seconds, self._ends_at = seconds, since + seconds

    def request(self, *question: Any, **options: Any) -> requests.Response:
        """As requests' own. Raises Refusal, and whatever requests raises.

        It is asked in a thread of its own, since neither a name that isn't resolved nor headers that drip can be
        interrupted; such a thread ends with its server or with this process, whatever comes first.
        """
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise self._overdue()
        answer: Future[requests.Response] = Future()
        is_over, came = Event(), list[requests.Response]()

        def take(response: requests.Response, **_: Any) -> None:
            came.append(response)
            self._check(response, is_over)

        options["hooks"] = {"response": take}

        def ask() -> None:
            try:
                answer.set_result(super(BoundedSession, self).request(*question, **options))
            except BaseException as error:
                answer.set_exception(error)

        asking = Thread(target=ask, daemon=True)
        asking.start()
        asking.join(min(self.seconds, left))
        if not answer.done():
            is_over.set()
            if came:
                _cut(came[-1])
            if left < self.seconds:
                raise self._overdue()
            raise Refusal(f"no whole answer within {self.seconds:.0f} s", concerns_exchange=True)
        return answer.result()

    def _overdue(self) -> Refusal:
        reason = f"the {_span(self._allowed_seconds)} allowed for all that was to be asked are over"
        return Refusal(reason, concerns_exchange=True)

    def _check(self, response: requests.Response, is_over: Event) -> None:
        """Refuses a redirect to another host, and bounds the body, which is still to be read."""
        if is_over.is_set():
            response.close()
            raise Refusal("nobody waits for it any longer", concerns_exchange=True)
        if response.is_redirect:
            here, there = response.url, urljoin(response.url, response.headers["Location"])
            if urlsplit(here)[:2] != urlsplit(there)[:2]:
                response.close()
                raise Refusal("it redirects to another host, which is not followed", concerns_exchange=True)
        response.iter_content = _bounded(response, self.largest_body)  # type: ignore[method-assign]


def _bounded(response: requests.Response, largest: int) -> Callable[..., Iterator[Any]]:
    """The response's `iter_content`, which gives unpacked pieces, up to a size."""
    pieces = response.iter_content

    def bounded(*options: Any, **named: Any) -> Iterator[Any]:
        size = 0
        for piece in pieces(*options, **named):
            size += len(piece)
            if max(size, response.raw.tell()) > largest:
                response.close()
                raise Refusal(f"its answer is larger than {largest / 1_000_000:.0f} MB", concerns_exchange=False)
            yield piece

    return bounded


def _cut(response: requests.Response) -> None:
    """Ends the reading of a response in another thread."""
    try:
        response.raw.shutdown()
    except (RuntimeError, ValueError, OSError):  # it has just ended by itself
        response.close()


def _span(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"
