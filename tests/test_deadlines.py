"""An exchange has its time: what hasn't come by then is `failed` with the reason, and a long range has longer."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from wire_server import hourly, speaking

from orchestration import ingest, planning
from orchestration.exchanges.client import open_client
from orchestration.lake import facts

NOW = datetime(2026, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)
LISTED = {
    "symbols": [
        {"symbol": f"{base}USDT", "baseAsset": base, "quoteAsset": "USDT", "marginAsset": "USDT", "status": "TRADING",
         "contractType": "PERPETUAL", "deliveryDate": 4133404800000}
        for base in ("BTC", "ETH")
    ]
}  # fmt: skip


@pytest.fixture
def binance():
    with speaking("binance") as wire:
        wire.answers = {"/fapi/v1/exchangeInfo": LISTED, "/fapi/v1/klines": klines, "/fapi/v1/fundingRate": []}
        yield wire


def klines(query):
    return [[at, "2", "2", "2", "2", "10", at + 3_599_999] for at in hourly(query, "startTime", "endTime", NOW)][:1000]


def slowly(seconds, answer=klines, symbol=None):
    """Such an answer after some seconds, of one symbol or of all."""

    def answered(query):
        if symbol in (None, query["symbol"]):
            time.sleep(seconds)
        return answer(query)

    return answered


def fetch(wire, home, days, allowed_seconds):
    """Outcomes of a fetch of the last days, and the seconds that it took."""
    client, began = open_client("binance", wire.url), time.monotonic()
    what = (home, ("candles", "funding_rates"), ("BTC", "ETH"), ("BTC", "ETH"), NOW - days * DAY, NOW, NOW)
    outcomes = ingest.fetch_range(ingest.Fetch(client, *what, allowed_seconds=allowed_seconds))
    return outcomes, time.monotonic() - began


@pytest.fixture(autouse=True)
def loaded(binance, tmp_path_factory):
    """Imports that a first fetch waits for take longer than these tests are patient."""
    fetch(binance, tmp_path_factory.mktemp("first"), 1, planning.allowed_seconds)
    binance.asked.clear()


def hours_by_state(home, dataset):
    found = facts.read_raw(home, "coverage", f"dataset = '{dataset}'")
    hours = (found["end_at"] - found["start_at"]) / timedelta(hours=1)
    return hours.groupby([found["symbol"].str[:3], found["state"]]).sum().to_dict()


def test_what_has_not_come_when_the_time_is_over_is_failed_with_the_reason(binance, tmp_path):
    binance.answers["/fapi/v1/klines"] = slowly(30, symbol="ETHUSDT")
    outcomes, seconds = fetch(binance, tmp_path, 2, lambda *planned: 2.0)
    assert seconds < 5
    reason = "binance: candles of ETH/USDT:USDT: the 2 s allowed for all that was to be asked are over"
    assert outcomes["candles"].failures == [reason]
    assert outcomes["candles"].written.new == 48  # of BTC, which had come
    assert hours_by_state(tmp_path, "candles") == {("BTC", "complete"): 48, ("ETH", "failed"): 48}
    assert outcomes["funding_rates"].failures == [reason]
    assert hours_by_state(tmp_path, "funding_rates") == {("BTC", "failed"): 48, ("ETH", "failed"): 48}
    assert set(facts.read_raw(tmp_path, "coverage", "state = 'failed'")["reason"]) == {reason}


def test_a_long_range_of_a_slow_exchange_has_the_time_that_it_needs(binance, tmp_path):
    """Twenty slow pages take longer than a short range may, and less than their own range may."""
    binance.answers["/fapi/v1/klines"] = slowly(0.2)

    def allowed(exchange, spans, now):  # of the house, for less patient people
        requests = (
            planning.allowed_seconds(exchange, spans, now) - planning.BASE_SECONDS
        ) / planning.SECONDS_PER_REQUEST
        return 1.5 + 0.4 * requests

    outcomes, seconds = fetch(binance, tmp_path, 400, allowed)
    assert binance.times("/fapi/v1/klines") == 20
    assert seconds > 4
    assert not any(outcome.failures for outcome in outcomes.values())
    assert outcomes["candles"].written.new == 2 * 400 * 24


def test_an_exchange_that_does_not_even_list_fails_when_the_least_time_is_over(binance, tmp_path):
    binance.answers["/fapi/v1/exchangeInfo"] = lambda query: time.sleep(30)
    outcomes, seconds = fetch(binance, tmp_path, 2, lambda *planned: 0.5)
    assert seconds < 3
    assert "binance: instruments: the 0 s allowed" in outcomes["instruments"].failures[0]
    assert hours_by_state(tmp_path, "candles") == {("BTC", "failed"): 48, ("ETH", "failed"): 48}
