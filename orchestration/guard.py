"""What stands before Dagster's web app, which takes orders by GET and from any page that a browser has open.

Here belongs whom and what it lets through, as plain ASGI. How the app is served is the matter of `defs.serving`.
"""

import hmac
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SHORTEST_TOKEN = 16
OF_THIS_MACHINE = ("127.0.0.1", "localhost", "[::1]")


def address(host: str, token: str | None) -> IPv4Address | IPv6Address:
    """The address to listen on; ValueError if it is none, or open to others without a token that can't be guessed."""
    try:
        found = ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise ValueError(f"--host: {host!r} is no IP address such as 127.0.0.1 or 0.0.0.0") from None
    if token is None and not found.is_loopback:
        raise ValueError(f"--host {host} lets others in: it needs a token (MARKET_STRESS_TOKEN or --token)")
    if token is not None and (len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable()):
        raise ValueError(f"--token: it needs at least {SHORTEST_TOKEN} printable ASCII characters")
    return found


def url(host: IPv4Address | IPv6Address, port: int) -> str:
    """Where a browser on this machine finds what listens there."""
    if host.is_unspecified:
        host = ip_address("127.0.0.1" if host.version == 4 else "::1")
    return f"http://{_name(host)}:{port}"


class Guard:
    """An ASGI app that answers in the place of another one whatever that one must not see.

    - `Host` is a name of this machine or the address listened on, with our port; any, where it listens on all addresses
      (a foreign name that points here has no cookie, and brings no token).
    - `Origin`, where there is one, is that of `Host`: also in a WebSocket's handshake.
    - With a token, every request brings it as `Authorization: Bearer`, or as the cookie that `?token=` sets once.
    - What changes something comes by POST with a body of JSON, which no page of others can send without being asked
      first (CORS). GraphQL is never taken from a query string.
    - No page of others may show ours in a frame.
    """

    def __init__(self, app: "ASGIApp", host: IPv4Address | IPv6Address, port: int, token: str | None = None) -> None:
        self._app = app
        self._url = url(host, port)
        self._hosts: set[str] | None = None
        if not host.is_unspecified:
            ports = (f":{port}", "") if port == 80 else (f":{port}",)
            self._hosts = {name + suffix for name in (*OF_THIS_MACHINE, _name(host)) for suffix in ports}
        self._token = token
        self._cookie = f"market_stress_{port}"  # browsers keep one jar for all ports of a host

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answers, or lets the app answer."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        answer = self._answer(HTTPConnection(scope))
        if answer is None:
            await self._app(scope, receive, _unframed(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # before it is accepted: HTTP 403
        else:
            await answer(scope, receive, send)

    def _answer(self, asked: HTTPConnection) -> Response | None:
        """What is answered in the app's place, if anything."""
        hosts, origins = (asked.headers.getlist(name) for name in ("host", "origin"))
        host = hosts[0].lower() if len(hosts) == 1 else ""
        if not host or (self._hosts is not None and host not in self._hosts):
            return _line(403, f"Host is not ours: use {self._url}")
        if origins and (len(origins) > 1 or origins[0].lower() not in {f"http://{host}", f"https://{host}"}):
            return _line(403, "pages of others may not ask")
        if self._token is not None:
            if _same(asked.query_params.get("token", ""), self._token) and asked.scope.get("method") == "GET":
                return self._with_cookie(asked)
            if not self._is_known(asked):
                return _line(401, "token needed: open /?token=... once, or send it as Authorization: Bearer ...")
        return None if asked.scope["type"] == "websocket" else _refusal(asked)

    def _is_known(self, asked: HTTPConnection) -> bool:
        scheme, _, token = asked.headers.get("authorization", "").partition(" ")
        is_bearer = scheme.lower() == "bearer" and _same(token.strip(), self._token or "")
        return is_bearer or _same(asked.cookies.get(self._cookie, ""), self._pass())

    def _with_cookie(self, asked: HTTPConnection) -> Response:
        """To the same page, so that the token stays neither in the address nor in the history."""
        others = [(name, value) for name, value in asked.query_params.multi_items() if name != "token"]
        path = "/" + asked.scope["path"].lstrip("/")  # what begins with two names a host of others
        answer = RedirectResponse(quote(path) + ("?" + urlencode(others) if others else ""), 303)
        answer.set_cookie(self._cookie, self._pass(), httponly=True, samesite="lax")
        answer.headers.update({"cache-control": "no-store", "referrer-policy": "no-referrer"})
        return answer

    def _pass(self) -> str:
        return sha256((self._token or "").encode()).hexdigest()  # fits into a cookie whatever the token holds


def _refusal(asked: HTTPConnection) -> Response | None:
    method, path, types = asked.scope["method"], asked.scope["path"], asked.headers.getlist("content-type")
    if method in ("GET", "HEAD"):
        is_order = path.strip("/") == "graphql" and asked.scope["query_string"]
        return _line(405, "GraphQL is asked by POST with a body of application/json") if is_order else None
    if method != "POST":
        return _line(405, "GET, HEAD and POST alone")
    if len(types) != 1 or types[0].partition(";")[0].strip().lower() != "application/json":
        return _line(415, "a POST has Content-Type: application/json")
    return None


def _unframed(send: "Send") -> "Send":
    async def sent(message: "Message") -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), (b"x-frame-options", b"DENY")]}
        await send(message)

    return sent


def _line(status: int, text: str) -> Response:
    return PlainTextResponse(f"market-stress: {text}\n", status, {"cache-control": "no-store"})


def _same(given: str, kept: str) -> bool:
    return hmac.compare_digest(given.encode(), kept.encode())


def _name(host: IPv4Address | IPv6Address) -> str:
    return f"[{host}]" if host.version == 6 else str(host)
