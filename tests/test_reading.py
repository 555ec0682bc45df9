"""What becomes of answers that the sandbox doesn't give: refusals, stopped feeds, contracts that change, end or have
odd names. Over real HTTP, through ccxt, into raw facts.
"""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from wire_server import hourly, ms, speaking

from orchestration import ingest
from orchestration.exchanges.client import open_client
from orchestration.lake import facts

NOW = datetime(2026, 2, 12, tzinfo=UTC)
START = NOW - timedelta(days=2)
HOUR = timedelta(hours=1)
INVALID_STATUS = (400, {"code": -1122, "msg": "Invalid symbol status."})


@pytest.fixture
def binance():
    with speaking("binance") as wire:
        yield wire


def symbol(base, **differing):
    usual = {"contractType": "PERPETUAL", "status": "TRADING", "baseAsset": base, "quoteAsset": "USDT"}
    return {"symbol": f"{base}USDT", "deliveryDate": 4133404800000, "marginAsset": "USDT", **usual, **differing}


def klines(until=NOW, price=2.0):
    def answer(query):
        bars = hourly(query, "startTime", "endTime", until)
        return [[at, f"{price}", f"{price}", f"{price}", f"{price}", "10", at + 3_599_999] for at in bars][:1000]

    return answer


def fetch(wire, home, *datasets, assets=("BTC",), start=START, end=NOW, now=NOW, **more):
    client = open_client(wire.exchange, wire.url)
    return ingest.fetch_range(ingest.Fetch(client, home, datasets, assets, assets, start, end, now, **more))


def states(home, dataset, symbol):
    """(hours since START, state) of each receipt in order of time."""
    rows = facts.read_raw(home, "coverage", f"dataset = '{dataset}' and symbol = '{symbol}'").sort_values("start_at")
    hours = [(at - START) // HOUR for at in (*rows["start_at"], *rows["end_at"][-1:])]
    return [(first, last, state) for first, last, state in zip(hours, hours[1:], rows["state"], strict=False)]


# --- refusals


def test_symbol_that_is_refused_is_asked_for_once_and_the_others_are_stored(binance, tmp_path):
    usual = klines()
    binance.answers = {
        "/fapi/v1/exchangeInfo": {"symbols": [symbol("BTC"), symbol("SRM")]},
        "/fapi/v1/klines": lambda query: INVALID_STATUS if query["symbol"] == "SRMUSDT" else usual(query),
    }
    outcome = fetch(binance, tmp_path, "candles", assets=("SRM", "BTC"))["candles"]
    assert binance.times("/fapi/v1/klines", symbol="SRMUSDT") == 1
    assert outcome.written.new == 48
    assert outcome.failures == ["binance: candles of SRM/USDT:USDT: HTTP 400: -1122 Invalid symbol status"]
    assert states(tmp_path, "candles", "SRM/USDT:USDT") == [(0, 48, "failed")]
    assert states(tmp_path, "candles", "BTC/USDT:USDT") == [(0, 48, "complete")]


# --- funding


def settlements(*moments):
    def answer(query):
        first, last = int(query["startTime"]), int(query["endTime"])
        rows = [{"symbol": query["symbol"], "fundingTime": ms(at), "fundingRate": "0.0001"} for at in moments]
        return [row for row in rows if first <= row["fundingTime"] <= last]

    return answer


def intervals(home):
    rows = facts.read_raw(home, "funding_rates").sort_values("funded_at")
    return [None if pd.isna(hours) else hours for hours in rows["interval_hours"]]


def test_feed_whose_settlements_stop_is_partial_from_eight_hours_after_the_last(binance, tmp_path):
    binance.answers = {
        "/fapi/v1/exchangeInfo": {"symbols": [symbol("BTC")]},
        "/fapi/v1/fundingRate": settlements(START, START + 8 * HOUR),
    }
    fetch(binance, tmp_path, "funding_rates")
    assert states(tmp_path, "funding_rates", "BTC/USDT:USDT") == [(0, 16, "complete"), (16, 48, "partial")]


def test_first_settlement_has_no_interval_and_a_fetch_of_the_middle_blanks_none(binance, tmp_path):
    every_six = [START + 6 * HOUR * number for number in range(8)]
    binance.answers = {
        "/fapi/v1/exchangeInfo": {"symbols": [symbol("BTC")]},
        "/fapi/v1/fundingRate": settlements(*every_six),
    }
    fetch(binance, tmp_path, "funding_rates")
    assert intervals(tmp_path) == [None, *[6] * 7]
    fetch(binance, tmp_path, "funding_rates", start=START + timedelta(days=1))
    assert intervals(tmp_path) == [None, *[6] * 7]
    binance.answers["/fapi/v1/fundingRate"] = settlements(*every_six[4:])  # it has forgotten what was before
    outcome = fetch(binance, tmp_path, "funding_rates", start=START + timedelta(days=1))["funding_rates"]
    assert intervals(tmp_path) == [None, *[6] * 7]
    assert outcome.written.changed == 0
