"""`sandbox --shift-to-now`: a tape of another time, as if it were being recorded now."""

import socket
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.exchanges import declared
from orchestration.exchanges.client import open_client
from orchestration.ingest import Fetch, fetch_range
from orchestration.lake import facts
from orchestration.sandbox.tape import DAY, HOUR, Market, Tape

COMMAND = Path(sys.executable).with_name("market-stress")
BTC = "BTC/USDT:USDT"
TOTALS = ("long_usd", "short_usd", "long_base", "short_base")
EXCHANGES = ("binance", "bybit", "gate", "okx")
END = pd.Timestamp("2025-03-09T20:00Z")


@pytest.fixture(scope="module")
def recorded(tape):
    """Ten days until 20:00 on four exchanges, with a contract that changed its size and one that ended."""
    hours = pd.date_range(END - pd.Timedelta(days=10), END, freq="h")
    of_gate = {"symbol": [BTC] * len(hours), "exchange": "gate"}

    def everywhere(**columns):
        return pd.concat([pd.DataFrame({"exchange": one, "symbol": BTC, **columns}) for one in EXCHANGES])

    terms = {"quote": "USDT", "settle": "USDT", "contract_kind": "linear", "contract_size": 1.0}
    listed = [{"exchange": one, "symbol": BTC, "asset": "BTC", **terms} for one in EXCHANGES]
    began, ended = END - pd.Timedelta(days=4), f"{END - pd.Timedelta(days=3)}"
    luna = {"exchange": "gate", "symbol": "LUNA/USDT:USDT", "asset": "LUNA", **terms, "ends_at": ended}
    listed += [luna, {**luna, "contract_size": 2.0, "valid_from": began}]
    funding = hours[hours.hour % 8 == 0]
    prices = {"open": 1.0, "high": 1.0, "low": 1.0, "close": 1.0, "volume_base": 1.0}
    return tape(
        instruments=listed,
        candles=everywhere(opened_at=hours, **prices),
        open_interest=everywhere(observed_at=hours, open_interest_base=5.0, open_interest_usd=5.0),
        funding_rates=everywhere(funded_at=funding, rate=0.0001),
        liquidation_totals=pd.DataFrame({**of_gate, "period_start_at": hours, **dict.fromkeys(TOTALS, 1.0)}),
        liquidations=pd.DataFrame(
            {"exchange": "okx", "symbol": BTC, "occurred_at": hours, "position_side": "long", "price": 1.0,
             "quantity_base": 1.0}
        ),
    )  # fmt: skip


def stamps(tape: Tape) -> list[int]:
    held = [int(at) for columns in tape.series.values() for at in columns[0]]
    for one in tape.instruments:
        held += [since for since, _ in one.sizes if since] + [
            at for at in (one.listed_at, one.ends_at) if at is not None
        ]
    return held


@settings(deadline=None, max_examples=25)
@given(st.integers(1_230_768_000_000, 4_102_444_800_000))  # 2009 to 2100
def test_every_stamp_moves_by_the_same_whole_days_and_the_last_is_the_first_from_now_on(recorded, now):
    before, after = Tape(recorded), Tape(recorded)
    after.shift_to(now)
    moved = {later - earlier for earlier, later in zip(stamps(before), stamps(after), strict=True)}
    assert len(moved) == 1
    assert moved.pop() % DAY == 0
    last = max(int(columns[0][-1]) for columns in after.series.values())
    assert now <= last < now + DAY
    assert after.origin == before.origin


def test_what_lies_after_now_comes_up_as_the_clock_runs(recorded):
    tape = Tape(recorded)
    now = round(pd.Timestamp("2026-02-12T06:30Z").timestamp() * 1000)
    tape.shift_to(now)
    seen = [Market(tape, "gate", at).rows("candles", BTC)[-1][0] for at in (now, now + HOUR)]
    assert seen == [now - HOUR // 2, now + HOUR // 2]
    _, luna = Market(tape, "gate", now).instruments()
    assert [luna.contract_size(now - days * DAY) for days in (5, 3)] == [1.0, 2.0]
    assert luna not in Market(tape, "gate", now).listed()
    assert luna in Market(tape, "gate", now - 4 * DAY).listed()


def test_last_day_of_a_shifted_tape_is_complete_by_the_clock_of_the_system(recorded, tmp_path):
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["sandbox", "--tape", f"{recorded}", "--port", f"{port}", "--shift-to-now"]
    served = subprocess.Popen([COMMAND, *words], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(url)
        now = datetime.now(UTC)
        for exchange in EXCHANGES:
            datasets = tuple(dataset for group in declared()[exchange].groups for dataset in group)
            span = (now - timedelta(days=1)).replace(minute=0, second=0, microsecond=0), now
            fetch = Fetch(open_client(exchange, url), tmp_path, datasets, ("BTC",), ("BTC",), *span, now)
            assert not [reason for outcome in fetch_range(fetch).values() for reason in outcome.failures]
    finally:
        served.terminate()
        served.wait(10)
    receipts = facts.read_raw(tmp_path, "coverage")
    hours = (receipts["end_at"] - receipts["start_at"]) / timedelta(hours=1)
    lacking = receipts.loc[receipts["state"] != "complete", ["exchange", "dataset", "reason"]]
    assert lacking.to_dict("records") == []
    assert set(hours.groupby([receipts["exchange"], receipts["dataset"]]).sum()) == {24.0}
    assert set(receipts["exchange"]) == set(EXCHANGES)


def wait_for(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            requests.get(f"{url}/_requests", timeout=5)
            return
        except requests.ConnectionError:
            time.sleep(0.2)
    raise AssertionError("the sandbox did not start")
