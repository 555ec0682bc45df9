"""The application: every exchange under /<ccxt id>/<original path>, context sources under their names likewise, with a
clock, faults on demand and a log.

Here belongs nothing that one of them knows. It listens on 127.0.0.1 only.

- POST /_faults with [{"exchange": "okx", "path": "candles", "kind": "rate_limit", "times": 2}], DELETE /_faults:
  the next `times` (null: all) requests of the exchange (null: any) whose path holds the pattern go wrong in that way.
- GET /_requests: [[exchange, path, query], ...] as received, DELETE /_requests forgets them.
"""

import asyncio
import json
import re
from collections import deque
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType

from aiohttp import web

from orchestration.context.sources import SOURCES
from orchestration.exchanges import declared
from orchestration.exchanges.client import ORIGIN_HEADER
from orchestration.sandbox import Reply
from orchestration.sandbox.tape import Market, Tape

KINDS = {"rate_limit", "unavailable", "geo_block", "server_error", "empty", "html", "truncated", "hang"}
HTML = Reply(200, "<!DOCTYPE html><html><body>Checking your browser before you continue.</body></html>")


@cache
def spoken() -> dict[str, ModuleType]:
    """Who can be answered for: declared exchanges and context sources that have a module of their own beside this."""
    named = declared().keys() | SOURCES.keys()
    names = {module.name for module in iter_modules([str(Path(__file__).parent)])} & named
    return {name: import_module(f"{__package__}.{name}") for name in sorted(names)}


def serve(folder: Path, port: int, now: datetime | None, shift_to_now: bool = False) -> None:
    """Answer on 127.0.0.1:port until stopped; `now` None is the running clock, to which a tape can be shifted.

    Raises ValueError for no tape.
    """
    tape = Tape(folder)
    if shift_to_now:
        tape.shift_to(_milliseconds(now))
    web.run_app(
        application(tape, now),
        host="127.0.0.1",
        port=port,
        print=None,
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=1,
    )


def application(tape: Tape, now: datetime | None) -> web.Application:
    sandbox = Sandbox(tape, now)
    app = web.Application()

    async def say_origin(request: web.Request, response: web.StreamResponse) -> None:
        response.headers[ORIGIN_HEADER] = tape.origin

    app.on_response_prepare.append(say_origin)
    app.router.add_post("/_faults", sandbox.add_faults)
    app.router.add_delete("/_faults", sandbox.forget_faults)
    app.router.add_get("/_requests", sandbox.requests)
    app.router.add_delete("/_requests", sandbox.forget_requests)
    app.router.add_route("*", "/{exchange}{path:/.*}", sandbox.answer)
    return app


class Sandbox:
    """The state of a running server: its tape, clock, faults and log."""

    def __init__(self, tape: Tape, now: datetime | None):
        self.tape, self.now = tape, now
        self.faults: list[dict] = []
        self.log: deque[tuple[str, str, dict]] = deque(maxlen=100_000)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        exchange, path, query = request.match_info["exchange"], request.match_info["path"], dict(request.query)
        self.log.append((exchange, path, query))
        module = spoken().get(exchange)
        if module is None:
            return _response(Reply(404, f"nobody is called {exchange!r} here, only {', '.join(spoken())}"))
        kind = self._fault(exchange, path)
        if kind == "hang":
            await asyncio.Event().wait()
        if kind == "html":
            return _response(HTML)
        if kind in module.FAULTS:
            return _response(module.FAULTS[kind])
        reply = self._reply(module, exchange, path, query)
        return await _truncated(request, reply) if kind == "truncated" else _response(reply)

    def _reply(self, module: ModuleType, exchange: str, path: str, query: dict) -> Reply:
        market = Market(self.tape, exchange, _milliseconds(self.now))
        if path not in module.ROUTES:
            return module.NOT_FOUND
        try:
            return Reply(200, module.ROUTES[path](market, query))
        except Reply as refusal:
            return refusal

    def _fault(self, exchange: str, path: str) -> str | None:
        for fault in self.faults:
            if fault["exchange"] in {None, exchange} and re.search(fault["path"], path):
                if fault["times"] is not None:
                    fault["times"] -= 1
                    if fault["times"] <= 0:
                        self.faults.remove(fault)
                return fault["kind"]
        return None

    async def add_faults(self, request: web.Request) -> web.Response:
        faults = [{"exchange": None, "path": "", "times": None, **fault} for fault in await request.json()]
        unknown = {str(fault.get("kind")) for fault in faults} - KINDS
        if unknown:
            return _response(Reply(400, f"no such kind of fault: {', '.join(unknown)}; there are {', '.join(KINDS)}"))
        self.faults += faults
        return _response(Reply(200, self.faults))

    async def forget_faults(self, request: web.Request) -> web.Response:
        self.faults.clear()
        return _response(Reply(200, []))

    async def requests(self, request: web.Request) -> web.Response:
        return _response(Reply(200, list(self.log)))

    async def forget_requests(self, request: web.Request) -> web.Response:
        self.log.clear()
        return _response(Reply(200, []))


def _milliseconds(now: datetime | None) -> int:
    return round((now or datetime.now(UTC)).timestamp() * 1000)


def _response(reply: Reply) -> web.Response:
    text, is_json = _text(reply), not isinstance(reply.body, str)
    kind = "application/json" if is_json else "text/html" if text.startswith("<") else "text/plain"
    return web.Response(status=reply.status, text=text, content_type=kind, headers=reply.headers)


def _text(reply: Reply) -> str:
    return reply.body if isinstance(reply.body, str) else json.dumps(reply.body, separators=(",", ":"))


async def _truncated(request: web.Request, reply: Reply) -> web.StreamResponse:
    """Half of the answer that its Content-Length promises, then the line is cut."""
    whole = _text(reply).encode()
    response = web.StreamResponse(status=reply.status)
    response.content_type = "application/json"
    response.content_length = len(whole)
    await response.prepare(request)
    await response.write(whole[: len(whole) // 2])
    if request.transport is not None:  # else the line is cut already
        request.transport.close()
    return response
