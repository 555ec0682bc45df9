"""What is asked again and what isn't, one human line when it fails, and where the traffic goes."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import ccxt
import pytest

from orchestration.exchanges import wire
from orchestration.exchanges.client import PATIENCE_SECONDS, FetchFailed, call, open_client, redirect

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
        ("binance", (400, {}, '{"code":-1122,"msg":"Invalid symbol status."}'), "-1122 Invalid symbol status"),
        ("binance", (400, {}, '{"code":-4108,"msg":"Symbol is on delivering or closed."}'), "-4108 Symbol is on"),
        ("binance", (400, {}, '{"code":-9999,"msg":"Not what you think."}'), "-9999 Not what you think"),
        ("bybit", (200, {}, '{"retCode":10029,"retMsg":"The requested symbol is invalid"}'), "10029 The requested"),
        ("bybit", (200, {}, '{"retCode":110074,"retMsg":"This contract is not live"}'), "110074 This contract"),
        ("okx", (400, {}, '{"code":"51087","msg":"Listing canceled for this crypto","data":[]}'), "51087 Listing"),
        ("okx", (200, {}, '{"code":"51027","msg":"Contract expired","data":[]}'), "51027 Contract expired"),
        ("gate", (400, {}, '{"label":"CONTRACT_IN_DELISTING","message":"in delisting"}'), "CONTRACT_IN_DELISTING"),
    ],
)
def test_a_refused_question_is_not_asked_again_and_concerns_the_symbol(server, exchange, answer, said):
    failure, requests, _ = asked(server, exchange, answer)
    assert requests == 1
    assert said in str(failure)
    assert failure.concerns_symbol


@pytest.mark.parametrize(
    ("exchange", "answer", "is_refused"),
    [
        ("binance", (400, {}, '{"code":-1122,"msg":"Invalid symbol status."}'), True),
        ("bybit", (200, {}, '{"retCode":10001,"retMsg":"Not supported symbols"}'), True),
        ("okx", (200, {}, '{"code":"51001","msg":"Instrument ID does not exist","data":[]}'), True),
        ("gate", (400, {}, '{"label":"CONTRACT_NOT_FOUND","message":"no such contract"}'), True),
        ("binance", (400, {}, '{"code":-1130,"msg":"parameter \'startTime\' is invalid."}'), False),
        ("bybit", (200, {}, '{"retCode":10016,"retMsg":"Server error, symbol service is down"}'), False),
        ("bybit", (403, {}, "configured to block access to this contract"), False),
        ("gate", (200, {}, "[1, 2"), False),
        ("okx", (500, {}, ""), False),
    ],
)  # fmt: skip
def test_a_symbol_that_is_not_served_is_told_from_other_faults(server, exchange, answer, is_refused):
    failure, _, _ = asked(server, exchange, answer)
    assert failure.refuses_symbol == is_refused


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
