"""A folder is all that an exchange needs: Bitget as a toy, found by its name and read through ccxt and real HTTP."""

import json
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest
from golden import golden

from orchestration import contracts, exchanges, universe
from orchestration.exchanges.client import open_client
from orchestration.exchanges.fetch import earliest, fetch_listing, fetch_pages

TOY = Path(__file__).parent / "toy"
HOUR = timedelta(hours=1)
NOW = datetime(2026, 2, 11, 12, 30, tzinfo=UTC)
PAGE = 50  # fewer than are asked for, as a server may do without saying so


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    """Bitget's folder stands beside the others for the time of a test."""
    monkeypatch.setattr(exchanges, "__path__", [*exchanges.__path__, str(TOY)])
    exchanges.declared.cache_clear()
    yield
    exchanges.declared.cache_clear()
    for name in ("orchestration.exchanges.bitget.rest", "orchestration.exchanges.bitget"):
        sys.modules.pop(name, None)


@pytest.fixture
def server():
    """Answers as Bitget does: two contracts, and bars of every hour until the clock, at most PAGE at once."""
    paths = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            address = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(address.query).items()}
            paths.append(address.path)
            body = json.dumps({"code": "00000", "msg": "success", "data": answers[address.path](query)}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    http.paths, http.url = paths, f"http://127.0.0.1:{http.server_port}"
    yield http
    http.shutdown()
    http.server_close()


def listing(query):
    usual = {"quoteCoin": "USDT", "symbolType": "perpetual", "symbolStatus": "normal"}
    return [{"symbol": f"{coin}USDT", "baseCoin": coin, **usual} for coin in ("BTC", "DOGE")]


def bars(query):
    first, last = int(query["startTime"]), int(query["endTime"])
    step = int(HOUR.total_seconds() * 1000)
    opened = range(-(-first // step) * step, min(last, int(NOW.timestamp() * 1000)) + 1, step)
    return [[str(at), "67500.1", "67800", "67400", "67450", "1234.5", "83305125"] for at in opened[:PAGE]]


answers = {
    "/bitget/api/v2/mix/market/contracts": listing,
    "/bitget/api/v2/mix/market/history-candles": bars,
}


def test_folder_is_found_by_its_name():
    assert exchanges.declared()["bitget"].feeds["candles"].served
    assert exchanges.declared()["bitget"].groups == (("candles",),)
    assert earliest("bitget", "candles", NOW) is None


def test_it_may_be_watched_and_is_not_watched_by_itself():
    assert universe.Universe(exchanges=("bitget", "gate")).exchanges == ("bitget", "gate")
    assert universe.Universe().exchanges == ("binance", "bybit", "okx", "gate")
    assert "bitget" not in universe.EXCHANGES


def test_its_golden_rows_are_read():
    cases = golden("bitget", TOY / "golden")
    assert {case.holds["dataset"] for case in cases} == {"instruments", "candles"}
    for case in cases:
        case.assert_read()


def test_it_is_read_through_ccxt_into_rows_that_pass_the_border(server):
    client = open_client("bitget", server.url)
    listed = fetch_listing(client, ["BTC", "ETH"]).instruments
    assert listed["symbol"].tolist() == ["BTC/USDT:USDT"]
    start = NOW - timedelta(days=20)
    pages = list(fetch_pages(client, ("candles",), listed.iloc[0], start, NOW, NOW))
    candles = pd.concat([page.frames["candles"] for page in pages], ignore_index=True)
    assert candles["opened_at"].is_unique
    assert len(candles) == 20 * 24 - 1  # from 13:00 on; the bar of noon isn't closed at 12:30
    assert candles["opened_at"].max() == datetime(2026, 2, 11, 11, tzinfo=UTC)
    for dataset, frame in (("instruments", listed.drop(columns="has_ended")), ("candles", candles)):
        good, refused = contracts.validate(frame, dataset, NOW)
        assert (len(good), len(refused)) == (len(frame), 0)
    assert set(server.paths) == set(answers)
