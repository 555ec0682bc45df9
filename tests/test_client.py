"""Paging loses no row and doubles none; what is asked again and what isn't; one human line when it fails."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import ccxt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.exchanges import wire
from orchestration.exchanges.client import PATIENCE_SECONDS, FetchFailed, call, event_pages, open_client, pages

STEP = 10
stamps = st.lists(st.integers(0, 120), max_size=60).map(lambda hours: sorted({hour * STEP for hour in hours}))


def first_cell(row):
    return wire.milliseconds(row[0])


# --- paging


@given(
    stamps=stamps,
    bounds=st.tuples(st.integers(-50, 1300), st.integers(-50, 1300)).map(sorted),
    limit=st.integers(1, 40),
    cap=st.integers(1, 50),
    keeps_newest=st.booleans(),
    answers_descending=st.booleans(),
    knows_no_end=st.booleans(),
)
def test_pages_return_every_row_of_the_range_once(
    stamps, bounds, limit, cap, keeps_newest, answers_descending, knows_no_end
):
    first, last = bounds
    rows = [[stamp, "row"] for stamp in stamps if stamp]

    def ask(low, high):
        inside = [row for row in rows if low <= row[0] and (knows_no_end or row[0] <= high)]
        page = inside[-cap:] if keeps_newest and not knows_no_end else inside[:cap]
        return page[::-1] if answers_descending else page

    got = [row for page in pages(ask, first_cell, first, last, limit=limit, step=STEP) for row in page]
    assert sorted(got) == [row for row in rows if first <= row[0] <= last]


@given(st.lists(st.tuples(st.sampled_from([10, 40, 80]), st.integers(0, 3)), max_size=40), st.integers(1, 12))
def test_pages_find_rows_at_irregular_distances(gaps, cap):
    """Settlements come every 1 to 8 hours, a little late; windows are cut for the longest distance."""
    stamps, at = [], 0
    for gap, late in gaps:
        at += gap
        stamps.append(at + late)

    def ask(low, high):
        return [[stamp] for stamp in stamps if low <= stamp <= high][:cap]

    got = [row[0] for page in pages(ask, first_cell, 1, at + 5, limit=5, step=80, gap=7) for row in page]
    assert sorted(got) == stamps


def test_pages_are_as_large_as_the_exchange_allows():
    asked = []

    def ask(low, high):
        asked.append((low, high))
        return [[stamp] for stamp in range(STEP, 1001, STEP) if low <= stamp <= high]

    assert sum(len(page) for page in pages(ask, first_cell, STEP, 1000, limit=50, step=STEP)) == 100
    assert asked == [(10, 509), (510, 1000)]


def test_pages_pass_on_a_row_without_a_stamp_once():
    def ask(low, high):
        return [["?"], *([stamp] for stamp in range(10, 50, STEP) if low <= stamp <= high), [None]]

    got = [row for page in pages(ask, first_cell, 10, 49, limit=2, step=STEP) for row in page]
    assert got == [["?"], [10], [20], [None], [30], [40]]


events = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 2)), max_size=40).map(sorted)


@given(events, st.tuples(st.integers(1, 31), st.integers(1, 31)).map(sorted), st.integers(4, 20), st.booleans())
def test_event_pages_return_equal_events_as_often_as_they_happened(events, bounds, cap, is_newest_first):
    """Several events share a millisecond, and some are equal in every cell: pages that end between them keep all."""
    first, last = bounds
    most_at_once = max((sum(1 for event in events if event[0] == at) for at, _ in events), default=0)
    cap = max(cap, most_at_once + 1)

    def ask(before):
        page = [event for event in events if event[0] < before][-cap:]
        return page[::-1] if is_newest_first else page

    *seen, (rest, covered_from) = event_pages(ask, first_cell, first, last)
    got = [row for rows, _ in seen for row in rows] + rest
    assert sorted(got) == [event for event in events if first <= event[0] <= last]
    assert all(covered is None for _, covered in seen)
    older = [at for at, _ in events if at < first]
    known = [at for at, _ in events if at <= last]
    assert covered_from == (first if older else min(known, default=None))


# --- retries, against a real server through the real ccxt


@pytest.fixture
def server():
    """A server that answers requests with the scripted (status, headers, body), the last one for ever."""
    script, paths = [], []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            paths.append(self.path)
            status, headers, body = script.pop(0) if len(script) > 1 else script[0]
            self.send_response(status)
            usual = {"Content-Type": "application/json", "Content-Length": len(body), "Connection": "close"}
            for name, value in (usual | headers).items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    http.script, http.paths, http.url = script, paths, f"http://127.0.0.1:{http.server_port}"
    yield http
    http.shutdown()
    http.server_close()


ROUTES = {
    "binance": lambda client: wire.rows(client.fapiPublicGetKlines({"symbol": "BTCUSDT"}), (), list),
    "bybit": lambda client: wire.rows(client.publicGetV5MarketKline({"symbol": "BTCUSDT"}), ("result", "list"), list),
    "okx": lambda client: wire.rows(client.publicGetMarketCandles({"instId": "BTC-USDT-SWAP"}), ("data",), list),
    "gate": lambda client: wire.rows(client.publicFuturesGetSettleCandlesticks({"settle": "usdt"}), (), dict),
}
GOOD = {
    "binance": '[[1,"2"]]',
    "bybit": '{"retCode":0,"result":{"list":[["1","2"]]}}',
    "okx": '{"code":"0","data":[["1","2"]]}',
    "gate": '[{"t":1}]',
}
HTML = "<html><head><title>Just a moment...</title></head><body>captcha</body></html>"


def asked(server, exchange, *answers):
    """(rows or FetchFailed, requests, waits) when the server gives `answers` in turn."""
    server.script[:] = answers
    waits, client = [], open_client(exchange, server.url)
    try:
        result = call(lambda: ROUTES[exchange](client), client, "candles", sleep=waits.append, jitter=lambda: 1.0)
    except FetchFailed as failure:
        result = failure
    return result, len(server.paths), waits


@pytest.mark.parametrize("exchange", ROUTES)
@pytest.mark.parametrize(
    "answer",
    [
        (500, {}, ""),
        (502, {}, HTML),
        (503, {}, '{"message":"busy"}'),
        (504, {}, "upstream timed out"),
        (524, {}, HTML),
        (404, {}, "not found"),
        (200, {}, HTML),
        (200, {"Content-Length": 0}, ""),
        (200, {}, "[1, 2"),
        (200, {"Content-Length": 500}, "[[1,"),
        (200, {}, '{"unexpected": true}'),
        (200, {}, "[1, 2]"),
        (200, {}, "null"),
    ],
    ids=lambda answer: f"{answer[0]} {answer[2][:10]!r}",
)
def test_what_may_pass_is_asked_again(server, exchange, answer):
    result, requests, waits = asked(server, exchange, answer, answer, (200, {}, GOOD[exchange]))
    assert len(result) == 1
    assert requests == 3
    assert waits == [0.5, 1.0]


@pytest.mark.parametrize(
    ("exchange", "answer", "said"),
    [
        ("binance", (451, {}, '{"code":0,"msg":"Service unavailable from a restricted location"}'), "refuses our"),
        ("gate", (451, {}, HTML), "refuses our location"),
        ("bybit", (403, {}, "The Amazon CloudFront distribution is configured to block access"), "refuses our"),
        ("okx", (403, {}, HTML), "HTTP 403"),
        ("bybit", (200, {}, '{"retCode":10024,"retMsg":"Compliance rules triggered"}'), "10024 Compliance rules"),
        ("binance", (401, {}, ""), "HTTP 401"),
    ],
)  # fmt: skip
def test_a_block_is_not_asked_again_and_concerns_the_exchange(server, exchange, answer, said):
    failure, requests, waits = asked(server, exchange, answer)
    assert (requests, waits) == (1, [])
    assert said in str(failure)
    assert not failure.concerns_symbol


@pytest.mark.parametrize(
    ("exchange", "answer", "said"),
    [
        ("binance", (400, {}, '{"code":-1121,"msg":"Invalid symbol."}'), "-1121 Invalid symbol"),
        ("binance", (400, {}, '{"code":-1130,"msg":"parameter \'startTime\' is invalid."}'), "-1130"),
        ("bybit", (200, {}, '{"retCode":10001,"retMsg":"params error: symbol invalid"}'), "10001 params error"),
        ("okx", (200, {}, '{"code":"51001","msg":"Instrument ID does not exist","data":[]}'), "51001 Instrument"),
        ("gate", (400, {}, '{"label":"CONTRACT_NOT_FOUND","message":"no such contract"}'), "CONTRACT_NOT_FOUND"),
    ],
)
def test_a_refused_question_is_not_asked_again_and_concerns_the_symbol(server, exchange, answer, said):
    failure, requests, _ = asked(server, exchange, answer)
    assert requests == 1
    assert said in str(failure)
    assert failure.concerns_symbol


@pytest.mark.parametrize(
    ("exchange", "answer"),
    [
        ("binance", (418, {}, "")),
        ("binance", (429, {}, '{"code":-1003,"msg":"Too many requests"}')),
        ("bybit", (200, {}, '{"retCode":10006,"retMsg":"Too many visits!"}')),
        ("okx", (429, {}, '{"code":"50011","msg":"Too Many Requests","data":[]}')),
        ("gate", (429, {}, '{"label":"TOO_MANY_REQUESTS","message":"slow down"}')),
    ],
)
def test_a_rate_limit_is_waited_for_but_not_for_ever(server, exchange, answer):
    rows, requests, waits = asked(server, exchange, answer, answer, (200, {}, GOOD[exchange]))
    assert (len(rows), requests, waits) == (1, 3, [5.0, 10.0])
    failure, _, waits = asked(server, exchange, answer)
    assert sum(waits) <= PATIENCE_SECONDS
    assert not failure.concerns_symbol


def test_retry_after_is_honoured_or_given_up_on(server):
    busy = (429, {"Retry-After": "7"}, "")
    rows, _, waits = asked(server, "binance", busy, (200, {}, GOOD["binance"]))
    assert (len(rows), waits) == (1, [7.0])
    failure, _, waits = asked(server, "binance", (418, {"Retry-After": "300"}, ""))
    assert waits == []
    assert "asks us to wait 300 s" in str(failure)


def test_an_internal_error_of_bybit_is_asked_again(server):
    error = (200, {}, '{"retCode":10016,"retMsg":"System error. Please try again later."}')
    rows, requests, _ = asked(server, "bybit", error, (200, {}, GOOD["bybit"]))
    assert (len(rows), requests) == (1, 2)


@pytest.mark.parametrize(
    "answer", [(503, {}, HTML * 50), (200, {}, HTML * 50), (500, {}, json.dumps({"msg": "x\n" * 900}))]
)
@pytest.mark.parametrize("exchange", ROUTES)
def test_a_failure_is_one_short_line_without_addresses(server, exchange, answer):
    failure, requests, waits = asked(server, exchange, answer)
    text = str(failure)
    assert text.startswith(f"{exchange}: candles: ")
    assert "\n" not in text
    assert "<" not in text
    assert "127.0.0.1" not in text
    assert len(text) < 250
    assert (requests, waits) == (5, [0.5, 1.0, 2.0, 4.0])
    assert failure.concerns_symbol


def test_a_silent_exchange_costs_a_minute():
    def request():
        raise ccxt.RequestTimeout("okx GET https://www.okx.com/api/v5/market/candles")

    waits = []
    with pytest.raises(FetchFailed, match=r"^okx: candles: no answer within 20 s \(asked 3 times\)$") as it:
        call(request, open_client("okx", None), "candles", sleep=waits.append, jitter=lambda: 1.0)
    assert waits == [0.5, 1.0]
    assert not it.value.concerns_symbol


def test_an_exchange_out_of_reach_is_named_as_such():
    client = open_client("okx", "http://127.0.0.1:9")
    with pytest.raises(
        FetchFailed, match=r"^okx: candles: can't be reached: connection refused \(asked 2 times\)$"
    ) as it:
        call(lambda: ROUTES["okx"](client), client, "candles", tries=2, sleep=lambda _: None)
    assert not it.value.concerns_symbol


# --- connection


@pytest.mark.parametrize(
    ("exchange", "path"),
    [
        ("binance", "/binance/fapi/v1/klines"),
        ("bybit", "/bybit/v5/market/kline"),
        ("okx", "/okx/api/v5/market/candles"),
        ("gate", "/gate/api/v4/futures/usdt/candlesticks"),
    ],
)
def test_all_traffic_goes_to_the_given_server(server, exchange, path):
    asked(server, exchange, (200, {}, GOOD[exchange]))
    assert server.paths[0].split("?")[0] == path
    client = open_client(exchange, server.url + "/")
    assert {address.split("/")[2] for address in flat(client.urls["api"])} == {server.url.split("/")[2]}


def test_web_sockets_are_redirected_too():
    from orchestration.exchanges import redirect

    client = open_client("okx", None)
    client.urls["api"]["ws"] = {"public": "wss://ws.okx.com:8443/ws/v5/public"}
    redirect(client, "https://example.org:8443/behind")
    assert client.urls["api"]["ws"]["public"] == "wss://example.org:8443/behind/okx/ws/v5/public"
    assert client.urls["api"]["rest"] == "https://example.org:8443/behind/okx"


def test_rate_limits_hold_except_on_this_machine():
    assert open_client("okx", None).enableRateLimit
    assert open_client("okx", "https://example.org").enableRateLimit
    assert not open_client("okx", "http://127.0.0.1:8787").enableRateLimit
    assert not open_client("okx", "http://localhost:8787").enableRateLimit


def flat(address):
    return [text for part in address.values() for text in flat(part)] if isinstance(address, dict) else [address]
