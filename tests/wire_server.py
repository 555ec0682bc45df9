"""Servers that speak an exchange's wire format as a test needs it, beside what the sandbox answers: odd listings,
contracts that end, sizes that change, refusals.

`Wire` answers `/<exchange><path>` with what `answers` holds for that path: a body, or a function of the query that
returns one. A pair (status, body) is a refusal. Every request is kept in `asked`.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

HOUR = 3_600_000


class Wire:
    def __init__(self, exchange: str) -> None:
        self.exchange, self.answers, self.asked, self.url = exchange, {}, [], ""

    def times(self, path: str, **query: str) -> int:
        """How often a path was asked with these parameters."""
        return sum(asked == path and query.items() <= given.items() for asked, given in self.asked)

    def answer(self, address: str) -> tuple[int, object]:
        split = urlsplit(address)
        path = split.path.removeprefix(f"/{self.exchange}")
        query = {name: values[0] for name, values in parse_qs(split.query).items()}
        self.asked.append((path, query))
        answer = self.answers.get(path, (404, "not here"))
        answer = answer(query) if callable(answer) else answer
        return answer if isinstance(answer, tuple) else (200, answer)


@contextmanager
def speaking(exchange: str) -> Iterator[Wire]:
    """A running server of one exchange; its `url` is what MARKET_STRESS_EXCHANGE_URL would hold."""
    wire = Wire(exchange)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, body = wire.answer(self.path)
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    wire.url = f"http://127.0.0.1:{http.server_port}"
    try:
        yield wire
    finally:
        http.shutdown()
        http.server_close()


def ms(moment: datetime) -> int:
    """A moment in milliseconds since 1970."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def hourly(query: dict, first: str, last: str, until: datetime, unit: int = 1) -> range:
    """The full hours that a query asks for, in units of `unit` milliseconds, none after `until`."""
    start, end = int(query[first]) * unit, min(int(query[last]) * unit, ms(until))
    return range(-(-start // HOUR) * HOUR, end + 1, HOUR)


@contextmanager
def answering(write: Callable[[Callable[[bytes], None], str], None]) -> Iterator[str]:
    """The URL of a server that answers as `write(send, path)` does, byte by byte, until the other side hangs up."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.close_connection = True
            with suppress(OSError):
                write(self.wfile.write, self.path)

        def log_message(self, *_):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{http.server_port}"
    finally:
        http.shutdown()
        http.socket.close()
