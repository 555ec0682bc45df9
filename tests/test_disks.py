"""Damaged, full and read-only disks under the real commands: one line, nothing lost, and the way out works.

Full and read-only disks are small file systems in memory, where the machine allows to mount them.
"""

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np
import pandas as pd
import pytest

from orchestration.cli import disk

pytestmark = pytest.mark.slow

NOW = datetime(2026, 2, 12, tzinfo=UTC)
COMMAND = Path(sys.executable).with_name("market-stress")
BACKFILL = ("backfill", "--start", "2026-02-09", "--end", "2026-02-12")
FILE = "raw/{}/exchange=gate/date=2026-02-10/rest.parquet"
MARTS = ("market_daily", "liquidations_daily", "open_interest_daily", "liquidations_hourly", "coverage_daily")


class Ended(NamedTuple):
    code: int
    said: str


@pytest.fixture(scope="module")
def url(tape, sandbox):
    """Three days of BTC on gate by the hour, none like another."""
    hours = pd.date_range("2026-02-09", "2026-02-12", freq="h", tz="UTC", inclusive="left")
    own = pd.DataFrame({"exchange": "gate", "symbol": "BTC/USDT:USDT", "hour": hours})
    n = np.arange(len(hours), dtype=float)
    bar = {"open": 70_000 + n, "high": 70_200 + n, "low": 69_900 + n, "close": 70_001 + n, "volume_base": 1.0}
    folder = tape(
        instruments=[{
            "exchange": "gate", "symbol": "BTC/USDT:USDT", "asset": "BTC", "quote": "USDT", "settle": "USDT",
            "contract_kind": "linear", "contract_size": 0.0001,
        }],
        candles=own.rename(columns={"hour": "opened_at"}).assign(**bar),
        open_interest=own.rename(columns={"hour": "observed_at"}).assign(
            open_interest_base=1_000.0 + n, open_interest_usd=7e7 + n
        ),
        funding_rates=own[::8].rename(columns={"hour": "funded_at"}).assign(rate=0.0001),
        liquidation_totals=own.rename(columns={"hour": "period_start_at"}).assign(
            long_usd=n, short_usd=n / 2, long_base=n / 70_000, short_base=n / 140_000
        ),
    )  # fmt: skip
    return sandbox(folder, NOW)


@pytest.fixture(scope="module")
def run(url, tmp_path_factory):
    """A function (home, words) -> how the command ended."""
    universe = tmp_path_factory.mktemp("universe") / "universe.yml"
    universe.write_text("assets: [BTC]\nexchanges: [gate]\nscore: {warm_up_days: 14}\n")

    def call(home: Path, *words: str) -> Ended:
        settings = {"HOME": home, "NOW": NOW.isoformat(), "EXCHANGE_URL": url, "UNIVERSE": universe}
        environment = os.environ | {f"MARKET_STRESS_{name}": str(value) for name, value in settings.items()}
        ended = subprocess.run([COMMAND, *words], env=environment, capture_output=True, text=True, timeout=900)
        return Ended(ended.returncode, ended.stdout + ended.stderr)

    return call


@pytest.fixture(scope="module")
def good(run, tmp_path_factory):
    home = tmp_path_factory.mktemp("good")
    assert run(home, *BACKFILL).code == 0
    ended = run(home, "refresh")
    assert ended.code == 0, ended.said
    return home


@pytest.fixture
def home(good, tmp_path):
    return Path(shutil.copytree(good, tmp_path / "home"))


def marts(home: Path) -> dict[str, list]:
    with duckdb.connect(home / "warehouse.duckdb", read_only=True) as warehouse:
        return {mart: warehouse.execute(f"from {mart} order by all").fetchall() for mart in MARTS}


def ask(home: Path, query: str) -> list:
    with duckdb.connect(home / "warehouse.duckdb", read_only=True) as warehouse:
        return warehouse.execute(query).fetchall()


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-50])


def test_damaged_facts_are_null_with_the_reason_until_they_are_fetched_again(home, run):
    for dataset in ("candles", "open_interest", "liquidation_totals"):
        truncate(home / FILE.format(dataset))
    page = home / FILE.format("funding_rates")
    content = page.read_bytes()
    page.write_bytes(content[:4] + b"\0" * 600 + content[604:])  # what only whoever reads all of it finds
    ended = run(home, "status")
    assert ended.code == 0
    assert f"{FILE.format('candles')} is damaged (no whole Parquet file)" in ended.said
    assert (home / FILE.format("candles")).exists()  # who looks changes nothing
    before = marts(home)
    ended = run(home, "refresh")
    assert ended.code == 0, ended.said
    for dataset in ("candles", "open_interest", "liquidation_totals", "funding_rates"):
        assert f"{FILE.format(dataset)} is damaged" in ended.said
        assert (home / "quarantine/files" / FILE.format(dataset)).exists()
    day = "where period_start_date = date '2026-02-10'"
    assert ask(home, f"select total_usd, is_complete from liquidations_daily {day}") == [(None, False)]
    assert ask(home, "select count(*) from liquidations_hourly where is_observed") == [(48,)]
    reasons = dict(ask(home, f"select dataset, reason from coverage_daily {day} and exchange = 'gate'"))
    assert (
        reasons["liquidations"]
        == f"{FILE.format('liquidation_totals')} is damaged (no whole Parquet file) and set aside"
    )
    assert reasons["candles"].startswith(FILE.format("candles"))
    assert run(home, *BACKFILL).code == 0
    assert run(home, "refresh").code == 0
    assert marts(home) == before


@pytest.mark.thorough
def test_fetch_that_would_heal_says_what_was_damaged_and_heals(home, run):
    before = marts(home)
    (home / FILE.format("candles")).write_bytes(b"")
    truncate(home / "raw/coverage/exchange=gate/date=2026-02-09/rest.parquet")
    (home / "raw/instruments/exchange=gate/rest.parquet").write_text("dear diary")
    ended = run(home, *BACKFILL)
    assert ended.code == 0, ended.said
    assert ended.said.count("is damaged") == 3
    assert run(home, "refresh").code == 0
    assert marts(home) == before


def test_schedule_asks_again_for_a_day_that_was_damaged(home):
    from orchestration.ingest import plan
    from orchestration.lake import facts

    def asked() -> set[str]:
        day = pd.Timestamp("2026-02-10", tz="UTC")
        spans = plan(home, "gate", ("BTC",), NOW)
        return {dataset for span in spans if span.start <= day < span.end for dataset in span.datasets}

    settled = asked()
    truncate(home / FILE.format("liquidation_totals"))
    facts.set_aside(home, NOW)
    assert "liquidation_totals" in asked() - settled


@pytest.mark.thorough
@pytest.mark.soak
@pytest.mark.parametrize("content", [b"", b"no database at all " * 999, None])
def test_damaged_warehouse_is_named_and_made_anew(home, run, content):
    file = home / "warehouse.duckdb"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2] if content is None else content)
    for words in (["sql", "from market_daily"], ["status"], ["report"], ["claims"], ["evaluate"]):
        ended = run(home, *words)
        assert ended.code == 1, words
        assert "warehouse.duckdb is damaged: run `market-stress refresh`, which makes it anew" in ended.said
        assert "Traceback" not in ended.said
    if content is None:
        assert run(home, "refresh").code == 0
        assert run(home, "sql", "from market_daily").code == 0


def test_damaged_middle_of_the_warehouse_is_named(home, run):
    file = home / "warehouse.duckdb"
    content = file.read_bytes()
    third = len(content) // 3
    file.write_bytes(content[:third] + bytes(third) + content[2 * third :])
    for mart in MARTS:
        ended = run(home, "sql", f"from {mart}")
        assert (ended.code, "Traceback" in ended.said) in ((0, False), (1, False))
        if ended.code:
            assert "`market-stress refresh` makes it anew" in ended.said or "which makes it anew" in ended.said
            return
    raise AssertionError("no mart lay in the middle")


@pytest.mark.thorough
@pytest.mark.soak
@pytest.mark.parametrize(
    "damaged", ["build.duckdb", "dbt/manifest.json", "dbt/partial_parse.msgpack", "dbt/run_results.json"]
)
def test_what_is_derived_is_made_anew(home, run, damaged):
    before = marts(home)
    file = home / damaged
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    ended = run(home, "refresh")
    assert ended.code == 0, ended.said
    assert marts(home) == before


def test_leftovers_of_killed_writers_go_with_the_next_start(home, run):
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = [home / f"raw/candles/.rest.parquet.{dead.pid}.draft", home / f".warehouse.duckdb.{dead.pid}.draft"]
    living = home / f".build.duckdb.{os.getpid()}.draft"
    for file in (*left, living):
        file.write_bytes(b"half")
    assert run(home, *BACKFILL, "--dataset", "funding_rates").code == 0
    assert [file.exists() for file in (*left, living)] == [False, False, True]


@contextmanager
def mounted(folder: Path, options: str):
    folder.mkdir(exist_ok=True)
    ended = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True)
    if ended.returncode:
        pytest.skip(f"this machine mounts nothing: {ended.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def whole(home: Path) -> bool:
    """No half file lies in the way, and no draft."""
    from orchestration.lake import damage

    return damage.found(home, whole=True) == [] and list(home.rglob("*.draft*")) == []


def fill(folder: Path, free: int) -> Path:
    """A file that leaves so many bytes on a disk."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        file.write(bytes(shutil.disk_usage(folder).free - free))
    return ballast


def test_too_little_room_is_said_before_anything_is_done(good, run, tmp_path):
    with mounted(tmp_path / "small", "size=400m") as folder:
        home = Path(shutil.copytree(good, folder / "home"))
        events = tmp_path / "events.csv"
        events.write_text(
            "exchange,symbol,event_id,occurred_at,position_side,price,price_kind,quantity_base,notional_usd\n"
        )
        before = marts(home)
        ballast = fill(folder, 3_000_000)
        for words in (BACKFILL, ("refresh",), ("report",), ("import", "--dataset", "liquidations", str(events))):
            ended = run(home, *words)
            assert ended.code == 1, words
            assert "market-stress: no space left: needs about " in ended.said
            assert "MB are free" in ended.said
        assert run(home, "status").code == 0
        assert marts(home) == before
        assert whole(home)
        ballast.unlink()
        assert run(home, "refresh").code == 0
        assert marts(home) == before


@pytest.mark.thorough
@pytest.mark.soak
@pytest.mark.parametrize(
    ("words", "free"),
    [
        *((BACKFILL, free) for free in (50_000, 200_000)),
        *((("refresh",), free) for free in (200_000, 2_000_000, 6_000_000)),
    ],
)
def test_disk_that_fills_up_meanwhile_loses_nothing(good, run, tmp_path, words, free):
    """Others fill it once the estimate was met and the command has begun to work."""
    with mounted(tmp_path / "small", "size=400m") as folder:
        home = Path(shutil.copytree(good, folder / "home"))
        before = marts(home)
        if words is BACKFILL:
            shutil.rmtree(home / "raw")
        ballast = folder / "ballast"
        filler = subprocess.Popen(
            [sys.executable, "-c", FILLER, str(ballast), str(free), str(home / "dagster/cli.log")]
        )
        ended = run(home, *words)
        filler.kill()
        filler.wait()
        assert ended.code == 1
        assert "no space left: needs about " in ended.said
        assert "Traceback" not in ended.said
        assert words is BACKFILL or marts(home) == before
        ballast.unlink(missing_ok=True)
        assert whole(home)
        for again in (BACKFILL, ("refresh",)):
            ended = run(home, *again)
            assert ended.code == 0, ended.said
        assert marts(home) == before


FILLER = """
import shutil, sys, time
from pathlib import Path
ballast, free, log = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
log.unlink(missing_ok=True)
while not log.exists():
    time.sleep(0.01)
with ballast.open("wb") as file:
    file.write(bytes(max(shutil.disk_usage(ballast.parent).free - free, 0)))
"""


def test_read_only_home_is_said_and_can_still_be_read(good, run, tmp_path):
    with mounted(tmp_path / "small", "size=400m") as folder:
        home = Path(shutil.copytree(good, folder / "home"))
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        for words in (BACKFILL, ("refresh",), ("report",), ("evaluate",)):
            ended = run(home, *words)
            assert ended.code == 2, ended.said
            assert "is read-only: make it writable, or name another folder" in ended.said
            assert str(home) in ended.said
            assert "Traceback" not in ended.said
        for words in (("status",), ("sql", "from market_daily"), ("claims",)):
            assert run(home, *words).code == 0


def test_home_that_cannot_be_made_is_said(run, tmp_path):
    with mounted(tmp_path / "small", "size=1m,ro") as folder:
        ended = run(folder / "home", *BACKFILL)
        assert ended.code == 2
        assert "is read-only: make it writable, or name another folder" in ended.said


def test_estimates_hold_what_commands_take(good, run, tmp_path):
    """A refresh and a backfill take no more than they are said to, and not a tenth of it either."""
    assert disk.needed_to_fetch(3, 4, 1) < 25_000_000
    assert disk.needed_to_refresh(good) > 2 * (good / "build.duckdb").stat().st_size
