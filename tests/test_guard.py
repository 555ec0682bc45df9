"""The guard before Dagster's web app, as plain ASGI: whom it answers itself, and what it lets through."""

import asyncio
import inspect
from collections.abc import Iterable
from importlib.metadata import entry_points
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration import guard

PORT, TOKEN = 3000, "0123456789abcdefghij"
LOOPBACK, EVERYWHERE = ip_address("127.0.0.1"), ip_address("0.0.0.0")
JSON = ("content-type", "application/json")


def asked(
    method: str = "GET",
    path: str = "/",
    headers: Iterable[tuple[str, str]] = (("host", f"127.0.0.1:{PORT}"),),
    query: str = "",
    listens_on=LOOPBACK,
    token: str | None = None,
    port: int = PORT,
) -> tuple[int | str, dict[str, str], str]:
    """Status, headers and text of the answer; the app behind says 200 and `app`, to WebSockets `accepted`."""
    sent = []

    async def app(scope, receive, send):
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"app"})

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "websocket" if method == "WEBSOCKET" else "http",
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers],
    }
    if method != "WEBSOCKET":
        scope["method"] = method
    asyncio.run(guard.Guard(app, listens_on, port, token)(scope, receive, send))
    first = sent[0]
    if first["type"].startswith("websocket"):
        assert first in ({"type": "websocket.accept"}, {"type": "websocket.close", "code": 1008})
        return ("accepted" if first["type"] == "websocket.accept" else "closed"), {}, ""
    answered = {name.decode(): value.decode() for name, value in first["headers"]}
    return first["status"], answered, b"".join(message.get("body", b"") for message in sent[1:]).decode()


def host(name: str) -> tuple[str, str]:
    return ("host", name)


def origin(name: str) -> tuple[str, str]:
    return ("origin", name)


OURS = host(f"127.0.0.1:{PORT}")


@pytest.mark.parametrize("name", ["127.0.0.1:3000", "localhost:3000", "LocalHost:3000", "[::1]:3000"])
@pytest.mark.parametrize("method", ["GET", "WEBSOCKET"])
def test_our_names_are_answered(method, name):
    assert asked(method, headers=[host(name)])[0] in (200, "accepted")


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [host("evil.example")],
        [host("evil.example:3000")],
        [host("127.0.0.1")],
        [host("127.0.0.1:3001")],
        [host("localhost.:3000")],
        [host("127.0.0.1:3000.evil.example")],
        [host("evil@127.0.0.1:3000")],
        [host("192.168.1.5:3000")],
        [OURS, host("evil.example")],
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "WEBSOCKET"])
def test_foreign_names_are_refused(method, headers):
    status, _, text = asked(method, "/graphql", [*headers, JSON])
    assert status in (403, "closed")
    assert text in ("", "market-stress: Host is not ours: use http://127.0.0.1:3000\n")


@given(st.text(st.characters(max_codepoint=255)))
def test_whatever_is_sent_as_a_name_is_ours_or_refused(name):
    names = {f"{ours}:{PORT}" for ours in guard.OF_THIS_MACHINE}
    assert asked(headers=[host(name)])[0] == (200 if name.lower() in names else 403)


@pytest.mark.parametrize(
    "headers",
    [
        [origin("http://evil.example")],
        [origin("http://evil.example:3000")],
        [origin("null")],
        [origin("")],
        [origin("file://")],
        [origin("http://127.0.0.1:8000")],
        [origin("http://localhost:3000")],  # another program may listen there, on ::1
        [origin("http://127.0.0.1:3000.evil.example")],
        [origin("http://127.0.0.1:3000"), origin("http://evil.example")],
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("POST", "/graphql"),
        ("POST", "/report_asset_materialization/market_stress"),
        ("POST", "/report_asset_check/market_stress"),
        ("POST", "/report_asset_observation/market_stress"),
        ("WEBSOCKET", "/graphql"),
    ],
)
def test_pages_of_others_are_refused(method, path, headers):
    status, _, text = asked(method, path, [OURS, JSON, *headers])
    assert status in (403, "closed")
    assert text in ("", "market-stress: pages of others may not ask\n")


@pytest.mark.parametrize("name", ["127.0.0.1:3000", "localhost:3000", "[::1]:3000"])
@pytest.mark.parametrize("method", ["POST", "WEBSOCKET"])
def test_our_own_pages_may_ask(method, name):
    assert asked(method, "/graphql", [host(name), origin(f"http://{name}"), JSON])[0] in (200, "accepted")


@pytest.mark.parametrize("path", ["/graphql", "/graphql/", "//graphql"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("query", ["query=mutation{a}", "%71uery=mutation{a}", "variables={}", "query=query{version}"])
def test_graphql_is_not_taken_from_an_address(method, path, query):
    for accept in ("*/*", "text/html"):
        assert asked(method, path, [OURS, ("accept", accept)], query)[0] == 405


@pytest.mark.parametrize("path", ["/graphql", "/", "/runs/1", "/logs/a/b/compute_logs/c.err", "/_next/static/a.js"])
def test_pages_and_files_are_let_through(path):
    status, headers, text = asked("GET", path, query="" if path == "/graphql" else "partition=2026-02-01")
    assert (status, text) == (200, "app")
    assert headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize(
    "types",
    [
        [],
        [("content-type", "")],
        [("content-type", "text/plain")],
        [("content-type", "text/plain; application/json")],
        [("content-type", "text/plain;charset=application/json")],
        [("content-type", "application/x-www-form-urlencoded")],
        [("content-type", "multipart/form-data; boundary=x")],
        [("content-type", "application/graphql")],
        [("content-type", "application/jsonp")],
        [("content-type", "text/plain, application/json")],
        [JSON, ("content-type", "text/plain")],
    ],
)
@pytest.mark.parametrize("path", ["/graphql", "/report_asset_materialization/market_stress", "/"])
def test_what_a_form_of_any_page_can_send_is_refused(path, types):
    assert asked("POST", path, [OURS, *types])[0] == 415


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_json_is_let_through(kind):
    assert asked("POST", "/graphql", [OURS, ("content-type", kind)])[0] == 200


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "post", "X"])
def test_other_methods_are_refused(method):
    assert asked(method, "/graphql", [OURS, JSON])[0] == 405


@pytest.mark.parametrize("method", ["GET", "POST", "WEBSOCKET"])
@pytest.mark.parametrize(
    "proof",
    [
        [],
        [("authorization", "Bearer wrong")],
        [("authorization", f"Basic {TOKEN}")],
        [("authorization", TOKEN)],
        [("authorization", "Bearer \xe9")],
        [("cookie", f"market_stress_{PORT}={TOKEN}")],
        [("cookie", f"market_stress_{PORT}=")],
        [("cookie", "market_stress_1=" + "0" * 64)],
    ],
)
def test_without_the_token_nothing_is_answered(method, proof):
    status, _, text = asked(method, "/graphql", [OURS, JSON, *proof], token=TOKEN)
    assert status in (401, "closed")
    assert TOKEN not in text


@pytest.mark.parametrize("method", ["GET", "POST", "WEBSOCKET"])
def test_the_token_is_a_header_or_once_a_parameter_that_becomes_a_cookie(method):
    status, headers, _ = asked("GET", "/runs/a b", query=f"view=x%26y&token={TOKEN}", token=TOKEN)
    assert (status, headers["location"]) == (303, "/runs/a%20b?view=x%26y")
    cookie, *rules = headers["set-cookie"].split("; ")
    assert {"HttpOnly", "SameSite=lax", "Path=/"} == set(rules)
    assert TOKEN not in str(headers)
    for proof in (("cookie", f"other=1; {cookie}"), ("authorization", f"Bearer {TOKEN}")):
        assert asked(method, "/graphql", [OURS, JSON, proof], token=TOKEN)[0] in (200, "accepted")
        assert asked(method, "/graphql", [OURS, JSON, proof], token=TOKEN[::-1])[0] in (401, "closed")


@pytest.mark.parametrize("path", ["//evil.example", "/\\evil.example", "///evil.example/a", "/a\r\nX: y"])
def test_the_way_back_leads_to_no_other_place(path):
    _, headers, _ = asked("GET", path, query=f"token={TOKEN}", token=TOKEN)
    assert headers["location"][0] == "/"
    assert headers["location"][1] not in "/\\"
    assert not set("\r\n\\") & set(headers["location"])


def test_a_token_is_no_way_around_the_other_rules():
    proof = ("authorization", f"Bearer {TOKEN}")
    assert asked(headers=[host("evil.example"), proof], token=TOKEN)[0] == 403
    assert asked(headers=[host("evil.example")], query=f"token={TOKEN}", token=TOKEN)[0] == 403
    assert asked(headers=[OURS, origin("http://evil.example"), proof], token=TOKEN)[0] == 403
    assert asked("POST", "/graphql", [OURS, proof], token=TOKEN)[0] == 415
    assert asked("POST", "/graphql", [OURS, JSON], query=f"token={TOKEN}", token=TOKEN)[0] == 401
    assert asked("WEBSOCKET", "/graphql", [OURS], query=f"token={TOKEN}", token=TOKEN)[0] == "closed"


def test_where_it_listens_on_all_addresses_any_name_is_ours_but_not_any_page():
    proof = ("authorization", f"Bearer {TOKEN}")
    names = {"listens_on": EVERYWHERE, "token": TOKEN}
    assert asked(headers=[host("nas.local:3000"), proof], **names)[0] == 200
    assert asked(headers=[host("nas.local:3000"), origin("http://nas.local:3000"), proof], **names)[0] == 200
    assert asked(headers=[host("nas.local:3000"), origin("http://evil.example"), proof], **names)[0] == 403
    assert asked(headers=[host("nas.local:3000")], **names)[0] == 401
    assert asked(headers=[], **names)[0] == 403


def test_the_address_listened_on_is_a_name_and_port_80_may_be_left_out():
    for address, name in (("10.0.0.5", "10.0.0.5"), ("fd00::5", "[fd00::5]")):
        options = {"listens_on": ip_address(address)}
        assert asked(headers=[host(f"{name}:3000")], **options)[0] == 200
        assert asked(headers=[host("10.0.0.6:3000")], **options)[0] == 403
        assert asked(headers=[host(name)], **options)[0] == 403
        assert asked(headers=[host(name)], **options, port=80)[0] == 200


@pytest.mark.parametrize(
    ("name", "token", "found"),
    [
        ("127.0.0.1", None, "http://127.0.0.1:3000"),
        ("localhost", None, "http://127.0.0.1:3000"),
        ("::1", None, "http://[::1]:3000"),
        ("127.0.0.1", TOKEN, "http://127.0.0.1:3000"),
        ("0.0.0.0", TOKEN, "http://127.0.0.1:3000"),
        ("::", TOKEN, "http://[::1]:3000"),
        ("10.0.0.5", TOKEN, "http://10.0.0.5:3000"),
    ],
)
def test_address(name, token, found):
    assert guard.url(guard.address(name, token), PORT) == found


@pytest.mark.parametrize(
    ("name", "token", "says"),
    [
        ("0.0.0.0", None, "needs a token"),
        ("::", None, "needs a token"),
        ("10.0.0.5", None, "needs a token"),
        ("nas.local", TOKEN, "no IP address"),
        ("", TOKEN, "no IP address"),
        ("127.0.0.1", "", "at least 16"),
        ("0.0.0.0", "short", "at least 16"),
        ("0.0.0.0", "0123456789abcdef\n", "printable"),
        ("0.0.0.0", "0123456789abcdefé", "printable"),
    ],
)
def test_bad_address_or_token_is_one_line(name, token, says):
    with pytest.raises(ValueError, match=says) as fault:
        guard.address(name, token)
    assert "\n" not in str(fault.value)


DOORS = {  # what Dagster's web app answers, static files aside: who adds one must ask whether the guard knows it
    "/server_info": {"GET", "HEAD"},
    "/dagit_info": {"GET", "HEAD"},
    "/graphql": {"GET", "HEAD", "POST"},
    "/logs/{path:path}": {"GET", "HEAD"},
    "/notebook": {"GET", "HEAD"},
    "/dagit/notebook": {"GET", "HEAD"},
    "/download_debug/{run_id:str}": {"GET", "HEAD"},
    "/report_asset_materialization/{asset_key:path}": {"POST"},
    "/report_asset_check/{asset_key:path}": {"POST"},
    "/report_asset_observation/{asset_key:path}": {"POST"},
    "/{path:path}": {"GET", "HEAD"},
    "/": {"GET", "HEAD"},
}


@pytest.mark.slow
def test_dagsters_web_app_has_the_doors_that_we_know():
    from dagster_webserver.webserver import DagsterWebserver
    from starlette.routing import Route, WebSocketRoute

    routes = DagsterWebserver(None).build_routes()
    served = {route.path: set(route.methods) for route in routes if isinstance(route, Route)}
    static = {route.path for route in routes if isinstance(route, Route) and route.name == "root_static"}
    assert {path: methods for path, methods in served.items() if path not in static} == DOORS
    assert all(served[path] == {"GET", "HEAD"} for path in static)
    assert [route.path for route in routes if isinstance(route, WebSocketRoute)] == ["/graphql"]


@pytest.mark.slow
def test_what_we_take_of_dagster_beside_its_public_names_is_as_we_know_it():
    from dagster._cli.code_server import start_command
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import WorkspaceFileTarget
    from dagster._daemon.cli import run_command
    from dagster_webserver.cli import create_app_from_workspace_process_context

    expected = ["workspace_process_context", "path_prefix", "live_data_poll_rate", "kwargs"]
    assert list(inspect.signature(create_app_from_workspace_process_context).parameters) == expected
    options = inspect.signature(WorkspaceProcessContext).parameters
    assert {"instance", "workspace_load_target", "version"} <= set(options)
    assert WorkspaceFileTarget(["a.yaml"]).paths == ["a.yaml"]
    for script, command, words in (
        ("dagster", start_command, {"--socket", "-m", "--heartbeat-ttl", "--log-level"}),
        ("dagster-daemon", run_command, {"--workspace"}),
    ):
        [entry] = entry_points(group="console_scripts", name=script)
        assert callable(entry.load())
        assert words <= {word for parameter in command.params for word in parameter.opts}
