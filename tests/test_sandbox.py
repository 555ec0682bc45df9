"""The sandbox as a client meets it: through ccxt where ccxt has a say, else on the wire."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import ccxt
import pandas as pd
import pytest
import requests

from orchestration.context.sources import SOURCES
from orchestration.exchanges import declared
from orchestration.exchanges.client import open_client
from orchestration.ingest import Fetch, fetch_range
from orchestration.lake import facts
from orchestration.sandbox.server import spoken
from orchestration.sandbox.tape import Tape

NOW = datetime(2026, 2, 12, 0, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAYS = 100
RECORDED = Path(__file__).parents[2] / "shared" / "recordings" / "crash-2024-08"
TYPES = {"binance": ["linear"], "bybit": ["linear"], "okx": ["swap"], "gate": ["swap"]}
SIZES = {"binance": 1.0, "bybit": 1.0, "okx": 0.01, "gate": 0.0001}
NAMES = {"binance": "BTCUSDT", "bybit": "BTCUSDT", "okx": "BTC-USDT-SWAP", "gate": "BTC_USDT"}
BTC = "BTC/USDT:USDT"


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def instruments(exchanges=tuple(TYPES)) -> list[dict]:
    named = {"symbol": BTC, "asset": "BTC", "quote": "USDT", "settle": "USDT", "contract_kind": "linear"}
    return [{"exchange": exchange, **named, "contract_size": SIZES[exchange]} for exchange in exchanges]


def everywhere(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame.assign(exchange=exchange, symbol=BTC) for exchange in TYPES])


@pytest.fixture(scope="module")
def long_tape(tape):
    """A hundred days by the hour that run two hours past the clock; row n holds figures made of n."""
    hours = pd.date_range(NOW.replace(minute=0) - timedelta(days=DAYS), NOW + 2 * HOUR, freq="h")
    n = pd.Series(range(len(hours)), dtype=float)
    events = pd.date_range(NOW - timedelta(days=8), NOW + HOUR, freq="17min", unit="ms")
    return tape(
        instruments=instruments(),
        candles=everywhere(
            pd.DataFrame(
                {"opened_at": hours, "open": n, "high": n + 1, "low": n - 1, "close": n + 0.5, "volume_base": n}
            )
        ),
        open_interest=everywhere(
            pd.DataFrame({"observed_at": hours, "open_interest_base": n + 0.25, "open_interest_usd": n * 3 + 1e-7})
        ),
        funding_rates=everywhere(
            pd.DataFrame({"funded_at": hours[::4] + timedelta(milliseconds=3), "rate": n[::4] * 1e-7})
        ),
        liquidations=everywhere(
            pd.DataFrame(
                {
                    "occurred_at": events,
                    "position_side": ["long" if k % 3 else "short" for k in range(len(events))],
                    "price": 70_000.1,
                    "quantity_base": [0.01 * (k + 1) for k in range(len(events))],
                }
            )
        ),
    )


@pytest.fixture(scope="module")
def base(sandbox, long_tape):
    return sandbox(long_tape, NOW)


def client(base: str, exchange: str) -> ccxt.Exchange:
    def rewritten(urls):
        if isinstance(urls, dict):
            return {name: rewritten(url) for name, url in urls.items()}
        return re.sub(r"^https?://[^/]+", f"{base}/{exchange}", urls) if isinstance(urls, str) else urls

    options = {"fetchMarkets": {"types": TYPES[exchange]}}
    made = getattr(ccxt, exchange)({"enableRateLimit": False, "timeout": 1500, "options": options})
    made.urls["api"] = rewritten(made.urls["api"])
    return made


def ask(base: str, path: str, **query) -> tuple[int, object]:
    answer = requests.get(f"{base}{path}", params=query, timeout=5)
    return answer.status_code, answer.json()


def rows(body: object) -> list:
    """The rows of any exchange's answer."""
    if isinstance(body, list):
        return body
    found = body["data"] if "data" in body else body["result"]["list"]
    return found[0]["details"] if found and "details" in found[0] else found


def stamps(body: object) -> list[int]:
    names = ("t", "time", "ts", "timestamp", "fundingTime", "fundingRateTimestamp")
    return [
        int(row[0] if isinstance(row, list) else next(row[name] for name in names if name in row)) for row in rows(body)
    ]


@pytest.mark.parametrize("exchange", TYPES)
def test_ccxt_loads_the_markets(base, exchange):
    market = client(base, exchange).load_markets()[BTC]
    assert (market["id"], market["contractSize"], market["linear"]) == (NAMES[exchange], SIZES[exchange], True)
    assert market["created"] == ms(NOW.replace(minute=0) - timedelta(days=DAYS))


@pytest.mark.parametrize("exchange", TYPES)
def test_exchange_that_is_not_on_the_tape_lists_nothing(sandbox, tape, exchange):
    others = [name for name in TYPES if name != exchange]
    assert client(sandbox(tape(instruments=instruments(others)), NOW), exchange).fetch_markets() == []


def test_every_declared_exchange_and_source_with_a_module_here_is_answered_for(base):
    assert set(spoken()) == {*TYPES, *SOURCES}
    assert set(TYPES) <= set(declared())
    answer = requests.get(f"{base}/kraken/time", timeout=5)
    assert (answer.status_code, answer.text) == (
        404,
        "nobody is called 'kraken' here, only alternative, binance, bybit, ecb, fred, gate, okx",
    )


@pytest.mark.parametrize("exchange", TYPES)
def test_unknown_symbol_is_refused_as_the_exchange_does(base, exchange):
    asked = client(base, exchange)
    asked.load_markets()
    asked.markets[BTC]["id"] = "NOPE"
    with pytest.raises(ccxt.BadSymbol):
        asked.fetch_ohlcv(BTC, "1h")


STATS = "/gate/api/v4/futures/usdt"
RUBIK = "/okx/api/v5/rubik/stat/contracts/open-interest-history"
PAGES = [  # path, query, name of the limit's default, its maximum, newest first
    ("/binance/fapi/v1/klines", {"symbol": "BTCUSDT", "interval": "1h"}, 500, 1500, False),
    ("/binance/futures/data/openInterestHist", {"symbol": "BTCUSDT", "period": "1h"}, 30, 500, False),
    ("/binance/fapi/v1/fundingRate", {"symbol": "BTCUSDT"}, 100, 1000, False),
    ("/bybit/v5/market/kline", {"symbol": "BTCUSDT", "interval": "60"}, 200, 1000, True),
    (
        "/bybit/v5/market/open-interest",
        {"category": "linear", "symbol": "BTCUSDT", "intervalTime": "1h"},
        50,
        200,
        True,
    ),
    ("/bybit/v5/market/funding/history", {"category": "linear", "symbol": "BTCUSDT"}, 200, 200, True),
    ("/okx/api/v5/market/candles", {"instId": "BTC-USDT-SWAP", "bar": "1H"}, 100, 300, True),
    ("/okx/api/v5/market/history-candles", {"instId": "BTC-USDT-SWAP", "bar": "1H"}, 100, 300, True),
    (RUBIK, {"instId": "BTC-USDT-SWAP", "period": "1H"}, 100, 100, True),
    ("/okx/api/v5/public/funding-rate-history", {"instId": "BTC-USDT-SWAP"}, 400, 400, True),
    ("/okx/api/v5/public/liquidation-orders", {"instType": "SWAP", "uly": "BTC-USDT"}, 100, 100, True),
    (f"{STATS}/candlesticks", {"contract": "BTC_USDT", "interval": "1h"}, 100, 2000, False),
    (f"{STATS}/contract_stats", {"contract": "BTC_USDT", "interval": "1h"}, 30, 100, False),
    (f"{STATS}/funding_rate", {"contract": "BTC_USDT"}, 100, 1000, True),
]


@pytest.mark.parametrize(("path", "query", "default", "most", "newest_first"), PAGES, ids=[page[0] for page in PAGES])
def test_pages_have_the_size_order_and_end_of_the_real_ones(base, path, query, default, most, newest_first):
    held = 1 + DAYS * (6 if "funding" in path else 24)
    for size, limit in ((default, {}), (most, {"limit": most})):
        at = stamps(ask(base, path, **query, **limit)[1])
        assert len(at) == min(size, held)
        assert at == sorted(at, reverse=newest_first)
        assert max(at) in range(ms(NOW - HOUR) // (1000 if "gate" in path else 1), ms(NOW) + 1)
    status, body = ask(base, path, **query, limit=most + 1)
    assert status == 400 or body["retCode"] == 10001


@pytest.mark.parametrize(("path", "query"), [page[:2] for page in PAGES], ids=[page[0] for page in PAGES])
def test_required_parameter_that_is_missing_is_refused(base, path, query):
    optional = {"/binance/fapi/v1/fundingRate": {"symbol"}, PAGES[8][0]: {"period"}}.get(path, {"bar"})
    for name in query.keys() - optional - ({"interval"} if "/gate/" in path else set()):
        status, body = ask(base, path, **{other: value for other, value in query.items() if other != name})
        told = {str(code) for code in body.values()}
        assert told & {"-1102", "10001", "50014", "50015", "MISSING_REQUIRED_PARAM"}
        assert status == (200 if "/bybit/" in path else 400)


def test_figures_come_back_exactly(base):
    shown = [client(base, exchange).fetch_ohlcv(BTC, "1h")[-1][1:5] for exchange in TYPES]
    assert shown == [[DAYS * 24, DAYS * 24 + 1, DAYS * 24 - 1, DAYS * 24 + 0.5]] * 4
    last = ask(base, PAGES[1][0], **PAGES[1][1])[1][-1]
    assert float(last["sumOpenInterestValue"]) == DAYS * 24 * 3 + 1e-7
    rate = ask(base, PAGES[2][0], **PAGES[2][1], startTime=0)[1][1]
    assert (rate["fundingRate"], rate["fundingTime"] % 1000) == ("0.0000004", 3)


def test_binance_forgets_open_interest_after_thirty_days(base):
    asked = client(base, "binance")
    edge = ms(NOW - timedelta(days=30))
    assert asked.fetch_open_interest_history(BTC, "1h", edge, 500)[0]["timestamp"] == edge + 1_800_000
    with pytest.raises(ccxt.BadRequest, match="-1130"):
        asked.fetch_open_interest_history(BTC, "1h", edge - 1, 500)
    assert min(stamps(ask(base, PAGES[1][0], **PAGES[1][1], endTime=edge + 3_600_000)[1])) == edge + 1_800_000


@pytest.mark.parametrize(("path", "query"), [page[:2] for page in PAGES[:3]])
def test_binance_pages_forward_from_the_start(base, path, query):
    start = ms(NOW.replace(minute=0) - timedelta(days=20))
    at = stamps(ask(base, path, **query, startTime=start, endTime=ms(NOW), limit=3)[1])
    assert start <= at[0] < start + 14_400_000
    assert len(at) == 3


def test_bybit_open_interest_is_the_sum_of_both_sides(base):
    latest = ask(base, PAGES[4][0], **PAGES[4][1])[1]["result"]["list"][0]
    assert (latest["openInterest"], latest["singleOpenInterest"]) == ("4800.5", "2400.25")


def test_bybit_cursor_walks_back_over_each_stamp_once(base):
    start, end = ms(NOW - timedelta(days=12)), ms(NOW)
    at, cursor = [], None
    while cursor != "":
        body = ask(base, PAGES[4][0], **PAGES[4][1], startTime=start, endTime=end, limit=96, cursor=cursor)[1]
        at, cursor = at + stamps(body), body["result"]["nextPageCursor"]
    assert len(at) == len(set(at)) == 12 * 24
    assert min(at) >= start


def test_bybit_wants_the_end_of_a_funding_range(base):
    assert ask(base, PAGES[5][0], **PAGES[5][1], startTime=1)[1]["retCode"] == 10001
    assert len(ask(base, PAGES[5][0], **PAGES[5][1], startTime=1, endTime=ms(NOW))[1]["result"]["list"]) == 200


@pytest.mark.parametrize(
    ("path", "query", "cursor", "held"),
    [
        (*PAGES[6][:2], "after", 1440),
        (*PAGES[7][:2], "after", DAYS * 24 + 1),
        (*PAGES[8][:2], "end", 1440),
        (*PAGES[9][:2], "after", 95 * 6),
        (*PAGES[10][:2], "after", 7 * 24 * 60 // 17 + 1),
    ],
)
def test_okx_pages_back_to_its_depth_and_no_further(base, path, query, cursor, held):
    at, page = [], stamps(ask(base, path, **query)[1])
    while page:
        at += page
        page = stamps(ask(base, path, **query, **{cursor: at[-1]})[1])
    assert len(at) == len(set(at)) == held


def test_okx_liquidations_need_a_family_and_name_the_position(base):
    path = PAGES[10][0]
    assert ask(base, path, instType="SWAP", state="filled")[1]["code"] == "50015"
    batch = ask(base, path, instType="SWAP", state="filled", instFamily="BTC-USDT")[1]["data"][0]
    sides = {(detail["posSide"], detail["side"]) for detail in batch["details"]}
    assert (batch["instId"], sides) == ("BTC-USDT-SWAP", {("long", "sell"), ("short", "buy")})
    newest = batch["details"][0]
    on_tape = int(timedelta(days=8) / timedelta(minutes=17)) + 1  # 0.01 coins more each, a contract is 0.01 coins
    assert (newest["sz"], newest["bkPx"]) == (str(on_tape), "70000.1")


def test_gate_bounds_what_one_request_may_ask(base):
    end = int(NOW.timestamp())
    for path, query in (
        (f"{STATS}/candlesticks", {**PAGES[11][1], "from": end - 2000 * 3600, "to": end}),
        (f"{STATS}/candlesticks", {**PAGES[11][1], "from": end - 7200, "limit": 2}),
        (f"{STATS}/liq_orders", {"contract": "BTC_USDT", "from": end - 3601, "to": end}),
        (f"{STATS}/contract_stats", {"contract": "BTC_USDT", "interval": "7m"}),
    ):
        status, body = ask(base, path, **query)
        assert (status, body["label"]) == (400, "INVALID_PARAM_VALUE")
    whole = {**PAGES[11][1], "from": end - 1999 * 3600, "to": end}
    assert len(ask(base, f"{STATS}/candlesticks", **whole)[1]) == 1999 + (end % 3600 == 0)


def test_gate_liquidations_carry_the_sign_of_the_position(base):
    end = int(NOW.timestamp())
    orders = ask(base, f"{STATS}/liq_orders", contract="BTC_USDT", **{"from": end - 3600, "to": end})[1]
    assert [order["time"] for order in orders] == sorted((order["time"] for order in orders), reverse=True)
    assert all(order["size"] == -order["order_size"] and order["left"] == 0 for order in orders)
    unified = client(base, "gate").fetch_liquidations(BTC)
    assert {row["side"] for row in unified} == {"buy", "sell"}


@pytest.mark.parametrize("exchange", TYPES)
def test_nothing_after_the_clock_is_visible(sandbox, tape, exchange):
    hours = [f"2026-02-12T0{hour}:00:00Z" for hour in range(4)]
    prices = {"open": 1.0, "high": 1.0, "low": 1.0, "close": 1.0, "volume_base": 1.0}
    on = {"exchange": exchange, "symbol": BTC}
    folder = tape(
        instruments=instruments([exchange]),
        candles=[{**on, "opened_at": hour, **prices} for hour in hours],
        open_interest=[{**on, "observed_at": hour, "open_interest_base": 1.0} for hour in hours],
        liquidations=[
            {**on, "occurred_at": hour, "position_side": "long", "price": 1.0, "quantity_base": 1.0} for hour in hours
        ],
    )
    paths = {
        "binance": [PAGES[0], PAGES[1]],
        "bybit": [PAGES[3], PAGES[4]],
        "okx": [PAGES[6], PAGES[8], PAGES[10]],
        "gate": [PAGES[11], PAGES[12]],
    }
    for clock, seen in (("02:00:00", 3), ("01:59:59", 2)):
        base = sandbox(folder, datetime.fromisoformat(f"2026-02-12T{clock}Z"))
        assert [len(rows(ask(base, path, **query)[1])) for path, query, *_ in paths[exchange]] == [seen] * len(
            paths[exchange]
        )
    assert client(sandbox(folder, datetime(2026, 2, 11, tzinfo=UTC)), exchange).fetch_markets() == []


def test_clock_runs_where_none_is_given(sandbox, long_tape):
    told = client(sandbox(long_tape), "okx").fetch_time()
    assert abs(told - datetime.now(UTC).timestamp() * 1000) < 60_000


def test_missing_figures_are_absent_and_never_zero(sandbox, tape):
    on = {"symbol": BTC}
    first, second = "2026-02-11T10:00:00Z", "2026-02-11T11:00:00Z"
    folder = tape(
        instruments=instruments(),
        liquidation_totals=[{**on, "exchange": "gate", "period_start_at": first, "long_usd": 5.5, "short_usd": None}],
        open_interest=[
            {**on, "exchange": exchange, "observed_at": second, "open_interest_usd": 7.5}
            for exchange in ("gate", "okx")
        ]
        + [{**on, "exchange": "bybit", "observed_at": second, "open_interest_usd": None, "open_interest_base": 2.0}],
    )
    base = sandbox(folder, NOW)
    assert ask(base, PAGES[12][0], **PAGES[12][1])[1] == [
        {"time": 1770804000, "long_liq_usd": 5.5},
        {"time": 1770807600, "open_interest_usd": 7.5},
    ]
    assert ask(base, PAGES[8][0], **PAGES[8][1])[1]["data"] == [["1770807600000", "", "", "7.5"]]
    ticker = ask(base, "/bybit/v5/market/tickers", category="linear")[1]["result"]["list"][0]
    assert ticker == {"symbol": "BTCUSDT", "openInterest": "4", "singleOpenInterest": "2"}
    assert client(base, "binance").fetch_ohlcv(BTC, "1h") == []


def test_tape_without_instruments_lists_what_it_holds(sandbox, tape):
    row = {"exchange": "binance", "symbol": "ETH/USDT:USDT", "observed_at": "2026-02-11", "open_interest_base": 2.0}
    asked = client(sandbox(tape(open_interest=[row]), NOW), "binance")
    assert asked.fetch_open_interest("ETH/USDT:USDT")["openInterestAmount"] == 2.0


def test_folder_without_a_tape_is_refused_in_one_line(tmp_path):
    with pytest.raises(ValueError, match="no such folder"):
        Tape(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"none of instruments\.parquet, candles\.parquet"):
        Tape(tmp_path)
    (tmp_path / "candles.parquet").write_text("no Parquet")
    with pytest.raises(ValueError, match="isn't the candles of a tape") as refusal:
        Tape(tmp_path)
    assert "\n" not in str(refusal.value)


FAULTS = [
    ("binance", "rate_limit", ccxt.DDoSProtection, "-1003"),
    ("binance", "unavailable", ccxt.ExchangeError, "-1008"),
    ("binance", "geo_block", ccxt.ExchangeNotAvailable, " 451 "),
    ("bybit", "rate_limit", ccxt.RateLimitExceeded, "10006"),
    ("bybit", "unavailable", ccxt.ExchangeNotAvailable, "503"),
    ("bybit", "server_error", ccxt.ExchangeError, "10016"),
    ("bybit", "geo_block", ccxt.RateLimitExceeded, "block access from your country"),
    ("okx", "rate_limit", ccxt.RateLimitExceeded, "50011"),
    ("okx", "unavailable", ccxt.OnMaintenance, "50001"),
    ("okx", "server_error", ccxt.ExchangeNotAvailable, "50026"),
    ("okx", "geo_block", ccxt.ExchangeNotAvailable, "403"),
    ("gate", "rate_limit", ccxt.RateLimitExceeded, "TOO_MANY_REQUESTS"),
    ("gate", "unavailable", ccxt.ExchangeNotAvailable, "TOO_BUSY"),
    ("gate", "server_error", ccxt.ExchangeNotAvailable, "SERVER_ERROR"),
    ("gate", "truncated", ccxt.BaseError, None),
    ("okx", "hang", ccxt.RequestTimeout, None),
]


@pytest.fixture
def faults(base):
    yield lambda *wanted: requests.post(f"{base}/_faults", json=list(wanted), timeout=5)
    requests.delete(f"{base}/_faults", timeout=5)


@pytest.mark.parametrize(("exchange", "kind", "error", "text"), FAULTS)
def test_fault_reaches_the_client_as_the_exchange_would_tell_it(base, faults, exchange, kind, error, text):
    asked = client(base, exchange)
    asked.load_markets()
    faults({"exchange": exchange, "path": "kline|candle", "kind": kind, "times": 1})
    with pytest.raises(error, match=text):
        asked.fetch_ohlcv(BTC, "1h")
    assert len(asked.fetch_ohlcv(BTC, "1h")) > 0


def test_faults_last_as_long_as_they_are_told(base, faults):
    asked = client(base, "okx")
    faults({"exchange": "okx", "path": "candles", "kind": "empty", "times": None}, {"kind": "html", "path": "time"})
    assert [asked.fetch_ohlcv(BTC, "1h") for _ in range(3)] == [[], [], []]
    assert requests.get(f"{base}/bybit/v5/market/time", timeout=5).headers["Content-Type"].startswith("text/html")
    requests.delete(f"{base}/_faults", timeout=5)
    assert len(asked.fetch_ohlcv(BTC, "1h")) == 100
    assert faults({"kind": "no such kind"}).status_code == 400


def test_binance_says_when_to_come_back(base, faults):
    faults({"exchange": "binance", "kind": "rate_limit", "times": 1})
    assert requests.get(f"{base}/binance/fapi/v1/time", timeout=5).headers["Retry-After"] == "1"


def test_requests_are_logged(base):
    requests.delete(f"{base}/_requests", timeout=5)
    ask(base, PAGES[1][0], **PAGES[1][1])
    assert ask(base, "/_requests")[1] == [["binance", "/futures/data/openInterestHist", PAGES[1][1]]]


@pytest.mark.skipif(not RECORDED.is_dir(), reason="recordings aren't beside this checkout")
def test_recorded_crash_is_served_as_it_was(sandbox):
    base = sandbox(RECORDED, datetime(2024, 8, 19, tzinfo=UTC))
    start = int(datetime(2024, 8, 5, tzinfo=UTC).timestamp())
    query = {"contract": "BTC_USDT", "interval": "1h", "from": start, "limit": 25}
    stats = ask(base, f"{STATS}/contract_stats", **query)[1]
    assert round(sum(row["long_liq_usd"] for row in stats[:24]), 2) == 51_962_439.30
    assert [stats[n]["open_interest"] for n in (0, 24)] == [881_015_580, 752_134_260]
    assert stats[0]["mark_price"] == 58_144.5
    gap = int(datetime(2024, 7, 19, 9, tzinfo=UTC).timestamp())
    query = {"contract": "SOL_USDT", "interval": "1h", "from": gap - 3600, "limit": 6}
    assert any(
        "open_interest" not in row and "long_liq_usd" in row for row in ask(base, f"{STATS}/contract_stats", **query)[1]
    )


def test_contract_counts_in_the_size_of_its_time_and_is_listed_until_its_end(tape, sandbox, tmp_path):
    """From the wire back to the tape: over a change of size, a ticker by the thousand and an end, on every exchange."""
    noon = datetime(2026, 2, 11, 12, tzinfo=UTC)
    change, end = noon - 6 * HOUR, noon - 3 * HOUR
    hours = pd.date_range(noon - 12 * HOUR, end, freq="h", inclusive="left")
    size = {"quote": "USDT", "settle": "USDT", "contract_kind": "linear", "multiplier": 1000.0, "ends_at": end}
    names = {"symbol": "1000PEPE/USDT:USDT", "asset": "PEPE"}
    is_counted = {"okx": True, "gate": True, "binance": False, "bybit": False}
    versions = [
        {"exchange": exchange, **names, **size, "valid_from": since, "contract_size": units if counts else 1.0}
        for exchange, counts in is_counted.items()
        for since, units in ((datetime(2020, 1, 1, tzinfo=UTC), 1000.0), (change, 10.0))
    ]
    lasting = {"symbol": "BTC/USDT:USDT", "asset": "BTC", "quote": "USDT", "settle": "USDT", "contract_kind": "linear"}
    versions += [{"exchange": exchange, **lasting, "contract_size": 0.01} for exchange in is_counted]
    figures = {"open": 0.002, "high": 0.002, "low": 0.002, "close": 0.002, "volume_base": 5e6}
    bars = pd.concat([pd.DataFrame({"exchange": exchange, **names, "opened_at": hours, **figures})
                      for exchange in is_counted])  # fmt: skip
    folder = tape(instruments=versions, candles=bars.drop(columns="asset"))
    for exchange, counts in is_counted.items():
        home = tmp_path / exchange
        for now in (noon - 7 * HOUR, change, noon):
            asked = ("candles",), ("PEPE",), ("PEPE",), noon - 12 * HOUR, now, now
            outcomes = fetch_range(Fetch(open_client(exchange, sandbox(folder, now)), home, *asked))
            assert not outcomes["candles"].failures
            assert outcomes["candles"].written.changed == 0
        rows = facts.read_raw(home, "candles")
        assert len(rows) == 9
        assert set(zip(rows["close"], rows["volume_base"].round(3), strict=True)) == {(0.002, 5e6)}
        stored = facts.read_raw(home, "instruments")
        assert len(stored) == (2 if counts else 1)
        assert stored["ends_at"].notna().sum() == 1
