"""Context through the whole house: two sources out of order, and the others' figures are published all the same."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
import requests

from orchestration.sandbox.scenario_context import context

pytestmark = pytest.mark.slow

COMMAND = Path(sys.executable).with_name("market-stress")
NOW = datetime(2026, 2, 12, tzinfo=UTC)
SYMBOL = {"exchange": "gate", "symbol": "BTC/USDT:USDT"}


@pytest.fixture(scope="module")
def walked(tape, sandbox, tmp_path_factory):
    """(home, what a backfill said, what a refresh said), with fred answering 500 and ecb never."""
    hours = pd.date_range("2026-02-09", "2026-02-12", freq="h", tz="UTC")
    close = 70_000.0 + 10 * np.arange(len(hours) - 1)
    bars = dict.fromkeys(("open", "high", "low", "close"), close)
    folder = tape(
        instruments=[{**SYMBOL, "asset": "BTC", "quote": "USDT", "settle": "USDT", "contract_kind": "linear",
                      "contract_size": 0.0001}],
        candles=pd.DataFrame({"opened_at": hours[:-1], **bars, "volume_base": 1.0}).assign(**SYMBOL),
        open_interest=pd.DataFrame({"observed_at": hours, "open_interest_base": 1000.0}).assign(**SYMBOL),
        context=context().assign(origin="simulated:small"),
    )  # fmt: skip
    home = tmp_path_factory.mktemp("walk")
    (home / "universe.yml").write_text("assets: [BTC]\nexchanges: [gate]\n")
    url = sandbox(folder, NOW)
    faults = [{"exchange": "fred", "kind": "server_error"}, {"exchange": "ecb", "kind": "hang"}]
    requests.post(f"{url}/_faults", json=faults, timeout=10).raise_for_status()
    environment = {
        **os.environ, "MARKET_STRESS_HOME": str(home), "MARKET_STRESS_UNIVERSE": str(home / "universe.yml"),
        "MARKET_STRESS_NOW": NOW.isoformat(), "MARKET_STRESS_EXCHANGE_URL": url,
    }  # fmt: skip
    said = [
        subprocess.run([COMMAND, *words], env=environment, capture_output=True, text=True, check=False)
        for words in (("backfill", "--start", "2026-02-09", "--end", "2026-02-12"), ("refresh",))
    ]
    return home, *said


def rows(home: Path, query: str) -> list[tuple]:
    with duckdb.connect(home / "warehouse.duckdb", read_only=True) as warehouse:
        return warehouse.execute(query).fetchall()


def test_a_source_that_fails_is_told_and_stops_nobody(walked):
    _, backfill, refresh = walked
    assert (backfill.returncode, refresh.returncode) == (0, 0), backfill.stderr + refresh.stderr
    told = " ".join((backfill.stdout + backfill.stderr).split())
    assert "context alternative 5 new" in told
    assert "fred: HTTP 500 (asked 3 times)" in told
    assert "ecb: no whole answer within 15 s" in told


def test_every_day_has_every_series_with_a_value_or_a_reason(walked):
    home, *_ = walked
    told = rows(home, "select series, strftime(date, '%m-%d'), value is null, reason, origin from context_daily")
    assert {(series, day) for series, day, *_ in told} == {
        (series, f"02-{day:02}")
        for series in ("fear_and_greed", "vix", "ciss_euro_area", "holder:Strategy")
        for day in range(9, 13)
    }
    assert {(series, is_null, reason, origin) for series, _, is_null, reason, origin in told} == {
        ("fear_and_greed", False, None, "simulated:small"),
        ("vix", True, "fred: HTTP 500 (asked 3 times)", None),
        ("ciss_euro_area", True, "ecb: no whole answer within 15 s", None),
        ("holder:Strategy", False, None, None),
    }


def test_a_holder_is_worth_what_it_had_announced_at_the_price_of_the_hour(walked):
    """On the 9th at 13:00, 713,502 coins at 76,052; the bar that ends then closed at 70,000 + 12 x 10 = 70,120, so the
    loss is 713,502 x 5,932 = 4,232,493,864. At 14:00 714,644 at 76,056, at 70,130: 714,644 x 5,926 = 4,234,980,344.
    """
    home, *_ = walked
    query = "select coins, profit_usd from holders_hourly where as_of = timestamp '2026-02-09 {}:00:00'"
    assert rows(home, query.format(13)) == [(713_502, -4_232_493_864)]
    assert rows(home, query.format(14)) == [(714_644, -4_234_980_344)]


def test_what_stood_in_for_a_source_is_told(walked):
    home, *_ = walked
    query = "select exchange, origin, rows from origins where dataset = 'context'"
    assert rows(home, query) == [("alternative", "simulated:small", 5)]


def test_the_brief_shows_values_and_reasons(walked):
    home, *_ = walked
    page = (home / "reports" / "latest" / "brief.html").read_text()
    assert "<h2>Context</h2>" in page
    assert "ecb: no whole answer within 15 s" in page
    assert "714,644 BTC at 76,056 USD" in page
