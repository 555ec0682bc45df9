"""What becomes of answers that the sandbox doesn't give: refusals, stopped feeds, contracts that change, end or have
odd names. Over real HTTP, through ccxt, into raw facts.
"""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from wire_server import hourly, ms, speaking

from orchestration import ingest, universe
from orchestration.exchanges import tickers
from orchestration.exchanges.client import open_client
from orchestration.lake import facts, inputs

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


# --- names and kinds


def test_ticker_of_many_coins_is_its_coin_in_quantity_and_price(binance, tmp_path):
    def open_interest(query):
        stamps = hourly(query, "startTime", "endTime", NOW)
        return [{"timestamp": at, "sumOpenInterest": "7", "sumOpenInterestValue": "14"} for at in stamps]

    binance.answers = {
        "/fapi/v1/exchangeInfo": {"symbols": [symbol("PEPE"), symbol("1000PEPE"), symbol("PEPE2"), symbol("BTC")]},
        "/fapi/v1/klines": klines(price=2.0),
        "/futures/data/openInterestHist": open_interest,
    }
    fetch(binance, tmp_path, "candles", "open_interest", assets=("PEPE",))
    listed = facts.read_raw(tmp_path, "instruments").set_index("symbol")
    assert listed["multiplier"].to_dict() == {"PEPE/USDT:USDT": 1, "1000PEPE/USDT:USDT": 1000}
    assert set(listed["asset"]) == {"PEPE"}
    bars = facts.read_raw(tmp_path, "candles", "symbol = '1000PEPE/USDT:USDT'")
    assert len(bars) == 48
    assert (bars[["open", "high", "low", "close"]] == 0.002).all(axis=None)
    assert set(bars["volume_base"]) == {10_000}
    stocks = facts.read_raw(tmp_path, "open_interest", "symbol = '1000PEPE/USDT:USDT'")
    assert set(zip(stocks["open_interest_base"], stocks["open_interest_usd"], strict=True)) == {(7_000, 14)}
    inputs.write_inputs(tmp_path, universe.Universe(assets=("PEPE",), exchanges=("binance",)), NOW)
    watched = pd.read_parquet(tmp_path / "universe" / "watched.parquet")
    assert set(zip(watched["asset"], watched["symbol"], strict=True)) == {
        ("PEPE", "PEPE/USDT:USDT"),
        ("PEPE", "1000PEPE/USDT:USDT"),
    }


@pytest.mark.parametrize(
    ("ticker", "expected"),
    [
        ("1000PEPE", ("PEPE", 1000)),
        ("kPEPE", ("PEPE", 1000)),
        ("1MBABYDOGE", ("BABYDOGE", 1_000_000)),
        ("SHIB1000", ("SHIB", 1000)),
        ("10000SATS", ("SATS", 10_000)),
        ("1000000MOG", ("MOG", 1_000_000)),
        ("1000IQ50", ("IQ50", 1000)),
        ("1INCH", ("1INCH", 1)),
        ("1000X", ("1000X", 1)),
        ("100PEPE", ("100PEPE", 1)),
        ("2000PEPE", ("2000PEPE", 1)),
        ("KPEPE", ("KPEPE", 1)),
        ("KAVA", ("KAVA", 1)),
        ("MOG", ("MOG", 1)),
    ],
)
def test_ticker_is_a_multiple_only_where_a_thousand_stands_beside_a_name(ticker, expected):
    assert tickers.coin(ticker) == expected
    assert tickers.coin(ticker, [expected[0]]) == expected
    assert tickers.coin(ticker, ["BTC"]) == (ticker, 1)
    assert tickers.coin(ticker, [ticker, expected[0]]) == (ticker, 1)


def test_kind_that_is_not_known_is_named_and_never_said_not_to_be_listed(binance, tmp_path):
    binance.answers = {
        "/fapi/v1/exchangeInfo": {"symbols": [symbol("BTC", contractType="EVERLASTING"), symbol("ETH")]},
        "/fapi/v1/klines": klines(),
    }
    said = "binance lists BTCUSDT of a kind that is not known: EVERLASTING"
    outcomes = fetch(binance, tmp_path, "candles", assets=("BTC", "ETH", "XRP"))
    assert outcomes["instruments"].warnings == (said,)
    reasons = facts.read_raw(tmp_path, "coverage", "dataset = 'instruments'").set_index("symbol")["reason"]
    assert reasons.to_dict() == {"BTC/USDT:USDT": said, "XRP/USDT:USDT": "binance does not list it"}


def test_contract_that_is_dated_or_not_open_yet_is_named_as_what_comes_nearest(binance, tmp_path):
    dated = symbol("BTC", contractType="CURRENT_QUARTER") | {"symbol": "BTCUSDT_260327"}
    listed = [dated, symbol("SRM", status="PENDING_TRADING"), symbol("ETH")]
    binance.answers = {"/fapi/v1/exchangeInfo": {"symbols": listed}, "/fapi/v1/klines": klines()}
    outcomes = fetch(binance, tmp_path, "candles", assets=("BTC", "SRM", "ETH"))
    assert outcomes["instruments"].warnings == ()
    reasons = facts.read_raw(tmp_path, "coverage", "dataset = 'instruments'").set_index("symbol")["reason"]
    none = "which is no perpetual in USDT that trades"
    assert reasons.to_dict() == {
        "BTC/USDT:USDT": f"binance lists BTCUSDT_260327 (CURRENT_QUARTER, TRADING), {none}",
        "SRM/USDT:USDT": f"binance lists SRMUSDT (PERPETUAL, PENDING_TRADING), {none}",
    }


def test_contract_whose_kind_gets_another_name_is_read_on(binance, tmp_path):
    binance.answers = {"/fapi/v1/exchangeInfo": {"symbols": [symbol("BTC")]}, "/fapi/v1/klines": klines()}
    fetch(binance, tmp_path, "candles", end=START + 24 * HOUR)
    binance.answers["/fapi/v1/exchangeInfo"] = {"symbols": [symbol("BTC", contractType="EVERLASTING")]}
    outcomes = fetch(binance, tmp_path, "candles")
    assert outcomes["candles"].written.new == 24
    assert len(outcomes["instruments"].warnings) == 1
    assert facts.read_raw(tmp_path, "instruments")["ends_at"].isna().all()


# --- contract sizes


@pytest.fixture
def okx():
    with speaking("okx") as wire:
        yield wire


def swap(base, size):
    return {
        "instType": "SWAP", "instId": f"{base}-USDT-SWAP", "ctVal": size, "ctMult": "1", "ctType": "linear",
        "settleCcy": "USDT", "state": "live", "expTime": "",
    }  # fmt: skip


def liquidation_orders(*moments):
    """Orders of ten contracts at 1 USD, newest first, older than `after`."""

    def answer(query):
        stamps = sorted((ms(at) for at in moments if ms(at) < int(query["after"])), reverse=True)
        details = [{"side": "sell", "posSide": "long", "bkPx": "1", "sz": "10", "ts": str(at)} for at in stamps]
        return {"code": "0", "data": [{"instId": "DOGE-USDT-SWAP", "details": details}] if details else []}

    return answer


def test_row_is_read_with_the_contract_size_of_its_time_and_a_fetch_again_changes_none(okx, tmp_path):
    early, late = NOW - 5 * HOUR, NOW + 5 * HOUR
    okx.answers = {
        "/api/v5/public/instruments": {"code": "0", "data": [swap("DOGE", "1000")]},
        "/api/v5/public/liquidation-orders": liquidation_orders(early),
    }
    doge = {"assets": ("DOGE",), "start": NOW - timedelta(days=1)}
    fetch(okx, tmp_path, "liquidations", **doge)
    okx.answers["/api/v5/public/instruments"] = {"code": "0", "data": [swap("DOGE", "10")]}
    fetch(okx, tmp_path, "liquidations", **doge, now=NOW + HOUR)
    okx.answers["/api/v5/public/liquidation-orders"] = liquidation_orders(early, late)
    for _ in range(2):
        outcomes = fetch(okx, tmp_path, "liquidations", **doge, end=NOW + 6 * HOUR, now=NOW + 6 * HOUR)
        assert outcomes["liquidations"].written.changed == 0
        assert outcomes["instruments"].written.new == 0
    rows = facts.read_raw(tmp_path, "liquidations").set_index("occurred_at")["notional_usd"]
    assert rows.to_dict() == {pd.Timestamp(early): 10_000, pd.Timestamp(late): 100}
    versions = facts.read_raw(tmp_path, "instruments").sort_values("valid_from")
    first, second = pd.Timestamp(0, tz="UTC"), pd.Timestamp(NOW + HOUR)
    assert versions[["valid_from", "contract_size"]].values.tolist() == [[first, 1000], [second, 10]]


def test_imported_older_version_takes_its_place(okx, tmp_path):
    okx.answers = {
        "/api/v5/public/instruments": {"code": "0", "data": [swap("DOGE", "10")]},
        "/api/v5/public/liquidation-orders": liquidation_orders(NOW - 5 * HOUR, NOW - 25 * HOUR),
    }
    fetch(okx, tmp_path, "liquidations", assets=("DOGE",))
    usual = {"exchange": "okx", "symbol": "DOGE/USDT:USDT", "asset": "DOGE", "quote": "USDT", "settle": "USDT"}
    versions = {"valid_from": ["1970-01-01T00:00Z", NOW - timedelta(days=1)], "contract_size": [1000.0, 10.0]}
    frame = pd.DataFrame(versions).assign(**usual, contract_kind="linear")
    frame["valid_from"] = pd.to_datetime(frame["valid_from"], utc=True, format="mixed")
    frame.to_parquet(tmp_path / "own.parquet")
    ingest.import_file(tmp_path, "instruments", str(tmp_path / "own.parquet"), NOW)
    outcomes = fetch(okx, tmp_path, "liquidations", assets=("DOGE",))
    assert outcomes["instruments"].written == facts.Written(unchanged=1)
    assert facts.read_raw(tmp_path, "liquidations").sort_values("occurred_at")["notional_usd"].tolist() == [10_000, 100]


@pytest.fixture
def gate():
    with speaking("gate") as wire:
        yield wire


def perpetual(base, size, **differing):
    return {"name": f"{base}_USDT", "type": "direct", "quanto_multiplier": size, "status": "trading", **differing}


def contract_stats(usd, mark=None):
    """Ten contracts by the hour, of that worth."""

    def answer(query):
        first = int(query["from"]) * 1000
        stamps = hourly({"a": first, "b": first + (int(query["limit"]) - 1) * 3_600_000}, "a", "b", NOW)
        told = {"open_interest": 10, "open_interest_usd": usd} | ({} if mark is None else {"mark_price": mark})
        flows = {"long_liq_usd": 50, "short_liq_usd": 0, "long_liq_size": 1, "short_liq_size": 0}
        return [{"time": at // 1000, **told, **flows} for at in stamps]

    return answer


def test_row_that_contradicts_the_contract_size_is_quarantined_and_never_rewritten(gate, tmp_path):
    gate.answers = {
        "/api/v4/futures/usdt/contracts": [perpetual("DOGE", "1000")],
        "/api/v4/futures/usdt/contract_stats": contract_stats(usd=1000, mark="0.1"),
    }
    doge = {"assets": ("DOGE",)}
    fetch(gate, tmp_path, "open_interest", **doge, end=START + 24 * HOUR)
    before = facts.read_raw(tmp_path, "open_interest")
    assert set(before["open_interest_base"]) == {10_000}
    # The figures of the next day tell of contracts of 10 coins; nobody has seen when that began.
    gate.answers["/api/v4/futures/usdt/contract_stats"] = contract_stats(usd=10, mark="0.1")
    outcomes = fetch(gate, tmp_path, "open_interest", "liquidation_totals", **doge, start=START + 24 * HOUR + HOUR)
    assert outcomes["open_interest"].written.new == outcomes["open_interest"].written.changed == 0
    assert outcomes["open_interest"].quarantined == 24
    kept = pd.read_parquet(next((tmp_path / "quarantine" / "open_interest").glob("*.parquet")))
    assert set(kept["reason"]) == {
        "contract_size: 1000 contradicts 10 by open_interest_usd, open_interest and mark_price"
    }
    totals = facts.read_raw(tmp_path, "liquidation_totals")
    assert set(totals["long_usd"]) == {50}
    assert totals["long_base"].isna().all()  # the USD are Gate's own, the coins would be a guess
    assert facts.read_raw(tmp_path, "open_interest").equals(before)


@pytest.mark.parametrize(("usd", "mark", "is_let_in"), [
    (1000, "0.1", True), (1049, "0.1", True), (955, "0.1", True), (1060, "0.1", False), (940, "0.1", False),
    (10, None, True), (0, "0.1", True),
])  # fmt: skip
def test_size_may_be_off_by_five_percent(gate, tmp_path, usd, mark, is_let_in):
    gate.answers = {
        "/api/v4/futures/usdt/contracts": [perpetual("DOGE", "1000")],
        "/api/v4/futures/usdt/contract_stats": contract_stats(usd, mark),
    }
    outcome = fetch(gate, tmp_path, "open_interest", assets=("DOGE",))["open_interest"]
    assert (outcome.written.new, outcome.quarantined) == ((49, 0) if is_let_in else (0, 49))


# --- ends


def test_contract_that_is_gone_is_asked_for_up_to_its_end_and_unavailable_after_it(binance, tmp_path):
    end = START + 30 * HOUR
    binance.answers = {
        "/fapi/v1/exchangeInfo": {"symbols": [symbol("BTC"), symbol("SRM")]},
        "/fapi/v1/klines": klines(),
    }
    both = {"assets": ("BTC", "SRM")}
    fetch(binance, tmp_path, "candles", **both, end=START + 24 * HOUR, now=START + 24 * HOUR)
    binance.answers["/fapi/v1/exchangeInfo"] = {"symbols": [symbol("BTC")]}
    first = fetch(binance, tmp_path, "candles", **both, now=end + HOUR / 2)  # the first fetch at which it was gone
    assert not first["candles"].failures
    outcomes = fetch(binance, tmp_path, "candles", **both)
    assert not outcomes["candles"].failures
    stored = facts.read_raw(tmp_path, "instruments").set_index("symbol")["ends_at"]
    assert stored["SRM/USDT:USDT"] == pd.Timestamp(end)
    assert pd.isna(stored["BTC/USDT:USDT"])
    bars = facts.read_raw(tmp_path, "candles", "symbol = 'SRM/USDT:USDT'")
    assert len(bars) == 30
    receipts = facts.read_raw(tmp_path, "coverage", "symbol = 'SRM/USDT:USDT' and state = 'unavailable'")
    assert receipts["end_at"].max() == pd.Timestamp(NOW)
    assert set(receipts["reason"]) == {"ended at 2026-02-11 06:00"}
    binance.asked.clear()
    fetch(binance, tmp_path, "candles", **both, start=START + 24 * HOUR)
    asked = [query for path, query in binance.asked if query.get("symbol") == "SRMUSDT"]
    assert [int(query["endTime"]) < ms(end) for query in asked] == [True]


def test_end_is_the_one_that_the_exchange_states(binance, tmp_path):
    end = START + 30 * HOUR
    settling = symbol("SRM", status="SETTLING", deliveryDate=ms(end))
    binance.answers = {
        "/fapi/v1/exchangeInfo": {"symbols": [symbol("BTC"), settling]},
        "/fapi/v1/klines": klines(until=end - HOUR),
    }
    outcomes = fetch(binance, tmp_path, "candles", assets=("BTC", "SRM"))
    assert not outcomes["candles"].failures
    assert states(tmp_path, "candles", "SRM/USDT:USDT") == [(0, 30, "complete"), (30, 48, "unavailable")]


def test_contract_that_comes_back_has_no_end(binance, tmp_path):
    listings = [["BTC", "SRM"], ["BTC"], ["BTC", "SRM"]]
    ends = []
    for hours, names in enumerate(listings):
        binance.answers = {
            "/fapi/v1/exchangeInfo": {"symbols": [symbol(name) for name in names]},
            "/fapi/v1/klines": klines(),
        }
        fetch(binance, tmp_path, "candles", assets=("BTC", "SRM"), now=NOW + hours * HOUR)
        stored = facts.read_raw(tmp_path, "instruments").set_index("symbol")
        ends.append(pd.isna(stored.loc["SRM/USDT:USDT", "ends_at"]))
    assert ends == [True, False, True]
    assert stored.loc["SRM/USDT:USDT", "revision"] == 2


def test_ended_contract_that_is_no_longer_answered_for_is_no_failure(binance, tmp_path):
    usual = klines()
    binance.answers = {
        "/fapi/v1/exchangeInfo": {"symbols": [symbol("BTC"), symbol("SRM", status="CLOSE", deliveryDate=ms(NOW))]},
        "/fapi/v1/klines": lambda query: INVALID_STATUS if query["symbol"] == "SRMUSDT" else usual(query),
    }
    outcome = fetch(binance, tmp_path, "candles", assets=("BTC", "SRM"))["candles"]
    assert not outcome.failures
    assert binance.times("/fapi/v1/klines", symbol="SRMUSDT") == 1
    assert states(tmp_path, "candles", "SRM/USDT:USDT") == [(0, 48, "unavailable")]


def test_listing_that_lacks_most_of_what_trades_is_a_fault_and_not_their_end(binance, tmp_path):
    names = ("BTC", "ETH", "SRM")
    binance.answers = {
        "/fapi/v1/exchangeInfo": {"symbols": [symbol(name) for name in names]},
        "/fapi/v1/klines": klines(),
    }
    fetch(binance, tmp_path, "candles", assets=names, end=START + 24 * HOUR)
    binance.answers["/fapi/v1/exchangeInfo"] = {"symbols": [symbol("BTC")]}
    outcomes = fetch(binance, tmp_path, "candles", assets=names)
    assert outcomes["candles"].failures == [
        "binance: instruments: lacks 2 of 3 that it listed before, of which ETH/USDT:USDT still trades"
    ]
    assert facts.read_raw(tmp_path, "instruments")["ends_at"].isna().all()
    binance.answers["/fapi/v1/klines"] = lambda query: [] if query["symbol"] != "BTCUSDT" else klines()(query)
    assert not fetch(binance, tmp_path, "candles", assets=names)["candles"].failures
    assert facts.read_raw(tmp_path, "instruments")["ends_at"].notna().sum() == 2


def test_contract_that_is_named_is_asked_for_though_it_is_not_listed(binance, tmp_path):
    watch = universe.Universe(assets=("BTC",), exchanges=("binance",), contracts={"binance": ("SRMUSDT",)})
    assert watch.watched_assets == ("BTC", "SRM")
    binance.answers = {"/fapi/v1/exchangeInfo": {"symbols": [symbol("BTC")]}, "/fapi/v1/klines": klines()}
    named = {"assets": watch.watched_assets, "contracts": watch.contracts["binance"]}
    for _ in range(2):
        outcomes = fetch(binance, tmp_path, "candles", **named)
        assert not outcomes["candles"].failures
    assert len(facts.read_raw(tmp_path, "candles", "symbol = 'SRM/USDT:USDT'")) == 48
    inputs.write_inputs(tmp_path, watch, NOW)
    assert set(pd.read_parquet(tmp_path / "universe" / "watched.parquet")["asset"]) == {"BTC", "SRM"}


def test_named_contract_of_an_exchange_that_counts_contracts_gets_its_size_from_it(gate, tmp_path):
    named = {"assets": ("BTC", "SRM"), "contracts": ("SRM_USDT", "FTT_USDT")}
    gate.answers = {
        "/api/v4/futures/usdt/contracts": [perpetual("BTC", "0.0001")],
        "/api/v4/futures/usdt/contracts/SRM_USDT": perpetual(
            "SRM", "5", status="delisted", delisted_time=ms(NOW) // 1000
        ),
        "/api/v4/futures/usdt/contracts/FTT_USDT": (400, {"label": "CONTRACT_NOT_FOUND", "message": "no such"}),
        "/api/v4/futures/usdt/contract_stats": contract_stats(usd=1000),
    }
    outcomes = fetch(gate, tmp_path, "open_interest", **named | {"assets": ("BTC", "SRM", "FTT")})
    assert not outcomes["open_interest"].failures
    assert set(facts.read_raw(tmp_path, "open_interest", "symbol = 'SRM/USDT:USDT'")["open_interest_base"]) == {50}
    reasons = facts.read_raw(tmp_path, "coverage", "dataset = 'instruments'").set_index("symbol")["reason"]
    assert "CONTRACT_NOT_FOUND" in reasons["FTT/USDT:USDT"]
