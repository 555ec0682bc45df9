"""Killed in the middle, started again: the same facts and figures, no orphan that writes, no slot taken, no run left.

And side by side: what may be started at once waits or succeeds, and readers see no error. Killed backfills are part of
`make test-all` with one seeded moment for each way to die; all of it is part of `make soak` with ten (`--rounds 10`),
which prints a table of the trials.
"""

import os
import random
import shutil
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
COMMAND = Path(sys.executable).with_name("market-stress")
BACKFILL = [COMMAND, "backfill", "--start", FIRST, "--end", AFTER]
REFRESH = [COMMAND, "refresh"]
LAST_PROCESS_ENDS_WITHIN_SECONDS = 5  # an idle fork server notices a moment later that its command has ended
READER = """
import sys, duckdb
from pathlib import Path
reads = 0
while not Path(sys.argv[2]).exists():
    with duckdb.connect(sys.argv[1], read_only=True) as warehouse:
        warehouse.execute("select count(*) from market_stress join market_hourly using (as_of, asset)").fetchone()
    reads += 1
print(reads)
"""
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


def started(command: list, environment: dict) -> subprocess.Popen:
    return subprocess.Popen(
        command, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
    )


@pytest.mark.parametrize("kill", [kill_group, kill_parent, kill_step, kill_fork_server])
def test_backfill_after_a_kill_gives_the_same_facts(
    kill, environment, undisturbed, tmp_path, monkeypatch, rounds, trials
):
    expected, seconds = undisturbed
    chance = random.Random(f"{kill.__name__} 2026-02-12")
    for turn in range(rounds):
        home = tmp_path / f"{turn}"
        victim = started(BACKFILL, environment(home))
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
        trials[f"kill -9 of a backfill: {kill.__name__.removeprefix('kill_').replace('_', ' ')}"] += 1


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    """A file of liquidations, and one of its receipts, as a user would import them."""
    folder = tmp_path_factory.mktemp("events")
    at = pd.date_range(FIRST, AFTER, freq="7min", tz="UTC", inclusive="left")
    n = np.arange(len(at))
    frames = [
        pd.DataFrame(
            {"exchange": "bybit", "symbol": symbol, "event_id": [f"{symbol}{number}" for number in n],
             "occurred_at": at, "position_side": np.where(n % 3 == 0, "short", "long"), "price": 100.0 + n % 50,
             "price_kind": "bankruptcy", "quantity_base": 1.0 + n % 7, "notional_usd": (100.0 + n % 50) * (1 + n % 7)}
        )
        for symbol in SYMBOLS
    ]  # fmt: skip
    pd.concat(frames).to_parquet(folder / "liquidations.parquet", index=False)
    receipts = [
        {"exchange": "bybit", "dataset": "liquidations", "symbol": symbol, "start_at": pd.Timestamp(FIRST, tz="UTC"),
         "end_at": pd.Timestamp(AFTER, tz="UTC"), "state": "complete", "reason": None}
        for symbol in SYMBOLS
    ]  # fmt: skip
    pd.DataFrame(receipts).to_parquet(folder / "coverage.parquet", index=False)
    return folder


def brought(events: Path) -> list[list]:
    return [[COMMAND, "import", "--dataset", name, events / f"{name}.parquet"] for name in ("liquidations", "coverage")]


def figures(home: Path) -> dict[str, tuple]:
    """Of every published table the number of rows and a hash over them, less the moment of their writing."""
    with duckdb.connect(home / "warehouse.duckdb", read_only=True) as warehouse:
        tables = warehouse.execute(
            "select table_name, list(column_name) from duckdb_columns() where schema_name = 'main' group by all"
        ).fetchall()
        told = {}
        for table, columns in tables:
            kept = ", ".join(f'"{column}"' for column in sorted(columns) if column != "ingested_at")
            query = f'select count(*), sum(hash(fact)) from (select {kept} from "{table}") as fact'
            told[table] = warehouse.execute(query).fetchone() if table != "dbt_invocation" else None
        return told


@pytest.fixture(scope="module")
def whole(environment, events, undisturbed, tmp_path_factory):
    """(home, figures, seconds of its refresh) of a home that nobody disturbed: backfill, import, refresh."""
    home = tmp_path_factory.mktemp("whole")
    for command in (BACKFILL, *brought(events)):
        subprocess.run(command, env=environment(home), check=True, capture_output=True)
    began = time.monotonic()
    subprocess.run(REFRESH, env=environment(home), check=True, capture_output=True)
    return home, figures(home), time.monotonic() - began


def until(is_there, process: subprocess.Popen) -> None:
    while not is_there() and process.poll() is None:
        time.sleep(0.005)


@pytest.mark.soak
@pytest.mark.parametrize("stage", ["import", "dbt", "publish", "report"])
def test_figures_after_a_kill_are_those_of_an_undisturbed_home(
    stage, environment, events, whole, undisturbed, tmp_path, monkeypatch, rounds, trials
):
    _, expected, seconds = whole
    chance = random.Random(f"{stage} 2026-02-12")
    home = tmp_path / "home"
    subprocess.run(BACKFILL, env=environment(home), check=True, capture_output=True)
    if stage != "import":
        for command in brought(events):
            subprocess.run(command, env=environment(home), check=True, capture_output=True)
    for _ in range(rounds):
        command = brought(events)[0] if stage == "import" else REFRESH
        if stage == "import":
            shutil.rmtree(home / "raw" / "liquidations", ignore_errors=True)
        before = (home / "warehouse.duckdb").stat().st_mtime_ns if (home / "warehouse.duckdb").exists() else 0
        victim = started(command, environment(home))
        match stage:
            case "import":
                time.sleep(chance.uniform(1, 4))
            case "dbt":
                time.sleep(seconds * chance.uniform(0.1, 0.6))
            case "publish":
                until(lambda: any(home.glob(".warehouse.duckdb.*.draft")), victim)
                time.sleep(chance.uniform(0, 1.5))
            case "report":
                until(lambda then=before: (home / "warehouse.duckdb").exists()
                      and (home / "warehouse.duckdb").stat().st_mtime_ns != then, victim)  # fmt: skip
                time.sleep(chance.uniform(0, 2))
        os.killpg(victim.pid, signal.SIGKILL)
        victim.wait(timeout=120)
        if (home / "warehouse.duckdb").exists():
            figures(home)  # whatever was killed, there is a whole warehouse to read
        for again in (*brought(events), REFRESH):
            ended = subprocess.run(again, env=environment(home), capture_output=True, text=True, timeout=600)
            assert ended.returncode == 0, ended.stderr
        assert figures(home) == expected
        assert not list(home.glob(".*.draft*"))
        trials[f"kill -9 during {stage}"] += 1
    assert_nothing_is_left(home, monkeypatch)


@pytest.mark.soak
def test_what_is_started_at_once_waits_or_succeeds(environment, whole, tmp_path, monkeypatch, rounds, trials):
    home, expected, _ = whole
    pairs = {
        "two backfills of one exchange": ([*BACKFILL, "--exchange", "gate"], [*BACKFILL, "--exchange", "gate"]),
        "two refreshes": (REFRESH, REFRESH),
        "a backfill during a refresh": (REFRESH, BACKFILL),
    }
    for _ in range(rounds):
        for fault, commands in pairs.items():
            running = [started(command, environment(home)) for command in commands]
            assert [process.wait(timeout=600) for process in running] == [0, 0], fault
            assert figures(home) == expected, fault
            trials[fault] += 1
    assert_nothing_is_left(home, monkeypatch)


@pytest.mark.soak
def test_readers_see_no_error_while_it_is_published(environment, whole, tmp_path, rounds, trials):
    home, _, _ = whole
    stop = tmp_path / "stop"
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READER, str(home / "warehouse.duckdb"), str(stop)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    try:
        for _ in range(rounds):
            subprocess.run(REFRESH, env=environment(home), check=True, capture_output=True)
    finally:
        stop.touch()
        told = [reader.communicate(timeout=60) for reader in readers]
    assert [errors for _, errors in told] == ["", "", ""]
    reads = sum(int(count) for count, _ in told)
    assert reads > 100 * rounds
    trials["reads by three readers during refreshes"] += reads


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
