"""A worker stopped in the middle of a fetch: its exchange fails alone, its slot is freed, the next run works."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
import requests

from orchestration import home as homes
from orchestration.lake import facts

pytestmark = [pytest.mark.thorough, pytest.mark.soak]

NOW = datetime(2026, 2, 12, tzinfo=UTC)
COMMAND = Path(sys.executable).with_name("market-stress")
# The command itself, but for how long it waits for a sign of life
IMPATIENT = """
import sys
from orchestration.defs import launch
run, launch.run_ingest = launch.run_ingest, lambda *what: run(*what, stopped_after_seconds=6)
from orchestration.cli import main
main()
"""
BACKFILL = ["backfill", "--start", "2026-02-11", "--end", "2026-02-12", "--dataset", "candles"]


@pytest.fixture(scope="module")
def url(tape, sandbox):
    hours = pd.date_range("2026-02-11", "2026-02-12", tz="UTC", freq="h", inclusive="left")
    both = [{"exchange": exchange, "symbol": "BTC/USDT:USDT"} for exchange in ("gate", "okx")]
    terms = {"asset": "BTC", "quote": "USDT", "settle": "USDT", "contract_kind": "linear", "contract_size": 1.0}
    prices = {"open": 1.0, "high": 1.0, "low": 1.0, "close": 1.0, "volume_base": 1.0}
    candles = [{**one, "opened_at": hour, **prices} for one in both for hour in hours]
    return sandbox(tape(instruments=[one | terms for one in both], candles=candles), NOW)


def test_stopped_worker_is_ended_and_its_exchange_fails_alone(url, tmp_path, monkeypatch):
    universe = tmp_path / "universe.yml"
    universe.write_text("assets: [BTC]\nexchanges: [gate, okx]\n")
    names = {"HOME": str(tmp_path), "NOW": NOW.isoformat(), "EXCHANGE_URL": url, "UNIVERSE": str(universe)}
    environment = {**os.environ, **{f"MARKET_STRESS_{name}": value for name, value in names.items()}}
    requests.post(f"{url}/_faults", json=[{"exchange": "okx", "path": "candles", "kind": "hang"}], timeout=5)
    backfill = subprocess.Popen(
        [sys.executable, "-c", IMPATIENT, *BACKFILL], env=environment, stderr=subprocess.PIPE, text=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        os.kill(hanging(url, tmp_path), signal.SIGSTOP)
        _, said = backfill.communicate(timeout=60)
    finally:
        backfill.kill()
    assert backfill.returncode == 1
    assert "raw_okx: its process was killed, by somebody or because it had stopped" in " ".join(said.split())
    assert set(facts.read_raw(tmp_path, "candles")["exchange"]) == {"gate"}
    for name, value in homes.prepare(tmp_path).items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as instance:
        assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.FAILURE]
        assert instance.event_log_storage.get_concurrency_info("okx").claimed_slots == []
    requests.delete(f"{url}/_faults", timeout=5)
    again = subprocess.run([COMMAND, *BACKFILL], env=environment, capture_output=True, text=True, timeout=120)
    assert again.returncode == 0, again.stderr
    assert set(facts.read_raw(tmp_path, "candles")["exchange"]) == {"gate", "okx"}


def hanging(url: str, home: Path) -> int:
    """The process that waits for an answer of okx, once the one of gate has ended."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        asked = [
            exchange for exchange, path, _ in requests.get(f"{url}/_requests", timeout=5).json() if "candles" in path
        ]
        locks = list((home / "dagster" / "alive").glob("*-*.*"))  # run ids hold dashes
        if {"gate", "okx"} <= set(asked) and len(locks) == 1:
            return int(locks[0].suffix.removeprefix("."))
        time.sleep(0.1)
    raise AssertionError("okx was never asked")
