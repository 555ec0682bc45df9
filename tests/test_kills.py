"""Killed in the middle, started again: the same facts, no orphan that writes, no slot taken, no run left unfinished.

Part of `make test-all` with one seeded moment for each way to die, and of `make soak` with ten (`--rounds 10`).
"""

import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import duckdb
import numpy as np
import pandas as pd
import pytest

from orchestration import home as homes

pytestmark = pytest.mark.thorough

NOW = datetime(2026, 2, 12, tzinfo=UTC)
FIRST, AFTER = "2025-11-14", "2026-02-12"
SYMBOLS = ("BTC/USDT:USDT", "ETH/USDT:USDT")
SIZES = {"binance": 1.0, "bybit": 1.0, "okx": 0.01, "gate": 0.0001}
BACKFILL = [Path(sys.executable).with_name("market-stress"), "backfill", "--start", FIRST, "--end", AFTER]
LAST_PROCESS_ENDS_WITHIN_SECONDS = 5  # an idle fork server notices a moment later that its command has ended
DATASETS = ("instruments", "candles", "open_interest", "funding_rates", "liquidation_totals", "coverage")


def everywhere(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(
        [frame.assign(exchange=exchange, symbol=symbol) for exchange in SIZES for symbol in SYMBOLS], ignore_index=True
    )


@pytest.fixture(scope="module")
def url(tape, sandbox):
    """Ninety days by the hour of two symbols on four exchanges."""
    hours = pd.date_range(FIRST, AFTER, freq="h", tz="UTC")
    n = pd.Series(np.arange(len(hours)), dtype=float)
    bars = pd.DataFrame({"opened_at": hours, "open": n + 1, "high": n + 2, "low": n + 0.5, "close": n + 1})
    totals = pd.DataFrame(
        {"period_start_at": hours, "long_usd": n, "short_usd": n / 2, "long_base": n, "short_base": n}
    )
    return sandbox(
        tape(
            instruments=[
                {"exchange": exchange, "symbol": symbol, "asset": symbol[:3], "quote": "USDT", "settle": "USDT",
                 "contract_kind": "linear", "contract_size": size}
                for exchange, size in SIZES.items() for symbol in SYMBOLS
            ],
            candles=everywhere(bars.assign(volume_base=n)),
            open_interest=everywhere(
                pd.DataFrame({"observed_at": hours, "open_interest_base": n + 1000, "open_interest_usd": n + 5e6})
            ),
            funding_rates=everywhere(pd.DataFrame({"funded_at": hours[::8], "rate": n[::8] * 1e-7})),
            liquidation_totals=everywhere(totals),
        ),
        NOW,
    )  # fmt: skip


@pytest.fixture(scope="module")
def environment(url, tmp_path_factory):
    """A function of a home: what its commands need."""
    universe = tmp_path_factory.mktemp("universe") / "universe.yml"
    universe.write_text("assets: [BTC, ETH]\n")
    settings = {"NOW": NOW.isoformat(), "EXCHANGE_URL": url, "UNIVERSE": str(universe)}
    named = {f"MARKET_STRESS_{name}": value for name, value in settings.items()}
    return lambda home: {**os.environ, **named, "MARKET_STRESS_HOME": str(home)}


@pytest.fixture(scope="module")
def undisturbed(environment, tmp_path_factory):
    """(facts, seconds) of a backfill that nobody kills."""
    home = tmp_path_factory.mktemp("undisturbed")
    began = time.monotonic()
    subprocess.run(BACKFILL, env=environment(home), check=True, capture_output=True)
    return facts(home), time.monotonic() - began


def facts(home: Path) -> dict[str, tuple]:
    """Of every dataset the number of current rows and a hash over them, less the moment of their writing."""
    return {
        dataset: duckdb.sql(
            "select count(*), sum(hash(fact)) from "
            f"(select * exclude (ingested_at) from read_parquet('{home}/raw/{dataset}/**/*.parquet')) as fact"
        ).fetchone()
        for dataset in DATASETS
    }


def processes(home: Path) -> dict[int, str]:
    """Command lines of the living processes that were started for a home, by id."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"MARKET_STRESS_HOME={home}\0" in (folder / "environ").read_text():
                found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
        except (OSError, UnicodeDecodeError):  # it ended while we looked, or isn't ours
            continue
    return {pid: words for pid, words in found.items() if words}


def kill_group(backfill: subprocess.Popen, home: Path) -> None:
    os.killpg(backfill.pid, signal.SIGKILL)


def kill_parent(backfill: subprocess.Popen, home: Path) -> None:
    backfill.kill()


def kill_step(backfill: subprocess.Popen, home: Path) -> None:
    """One process that was forked from the fork server, or the parent if there is none yet."""
    steps = [pid for pid, words in processes(home).items() if "forkserver" in words]
    os.kill(max(steps, default=backfill.pid), signal.SIGKILL)


def kill_fork_server(backfill: subprocess.Popen, home: Path) -> None:
    """The first process that the parent started, or the parent if there is none yet."""
    steps = [pid for pid, words in processes(home).items() if "forkserver" in words]
    os.kill(min(steps, default=backfill.pid), signal.SIGKILL)


@pytest.mark.parametrize("kill", [kill_group, kill_parent, kill_step, kill_fork_server])
def test_backfill_after_a_kill_gives_the_same_facts(kill, environment, undisturbed, tmp_path, monkeypatch, rounds):
    expected, seconds = undisturbed
    chance = random.Random(f"{kill.__name__} 2026-02-12")
    for turn in range(rounds):
        home = tmp_path / f"{turn}"
        victim = subprocess.Popen(
            BACKFILL, env=environment(home), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        time.sleep(seconds * chance.uniform(0.1, 0.95))
        kill(victim, home)
        victim.wait(timeout=120)
        again = subprocess.run(BACKFILL, env=environment(home), capture_output=True, text=True, timeout=300)
        assert again.returncode == 0, again.stderr
        assert facts(home) == expected
        deadline = time.monotonic() + LAST_PROCESS_ENDS_WITHIN_SECONDS
        while processes(home) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert processes(home) == {}
        assert_nothing_is_left(home, monkeypatch)


def assert_nothing_is_left(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in homes.prepare(home).items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as instance:
        storage = instance.event_log_storage
        for pool in storage.get_concurrency_keys():
            info = storage.get_concurrency_info(pool)
            assert (info.claimed_slots, info.pending_steps) == ([], [])
        assert [run.status.value for run in instance.get_runs() if not run.is_finished] == []
    assert list((home / "dagster" / "alive").iterdir()) == []
