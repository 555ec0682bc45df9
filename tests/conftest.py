"""What tests share: a tape written on the spot, the sandbox running over one, and homes that commands have filled."""

import asyncio
import os
import subprocess
import sys
import threading
from collections import Counter
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import settings
from recordings import RECORDINGS

settings.register_profile("house", deadline=None)  # two cores may be busy: a slow example is no fault
settings.load_profile("house")

TRIALS = pytest.StashKey[Counter]()
COMMAND = Path(sys.executable).with_name("market-stress")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rounds", type=int, default=1, help="how often the thorough tests try each of their cases")


@pytest.fixture
def rounds(request) -> int:
    return request.config.getoption("--rounds")


@pytest.fixture
def trials(request) -> Counter:
    """How many trials of each fault were survived; printed at the end."""
    return request.config.stash.setdefault(TRIALS, Counter())


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    for fault, survived in config.stash.get(TRIALS, Counter()).items():
        terminalreporter.write_line(f"{survived:6,} survived: {fault}")


@pytest.fixture(scope="module")
def tape(tmp_path_factory):
    """A function (dataset=rows or frame, ...) -> folder of a new tape; texts in columns `..._at` become UTC stamps."""

    def write(**datasets: list[dict] | pd.DataFrame) -> Path:
        folder = tmp_path_factory.mktemp("tape")
        for name, rows in datasets.items():
            frame = pd.DataFrame(rows)
            for column in frame.columns[frame.columns.str.endswith("_at")]:
                frame[column] = pd.to_datetime(frame[column], utc=True, format="ISO8601")
            frame.to_parquet(folder / f"{name}.parquet", index=False)
        return folder

    return write


@pytest.fixture(scope="module")
def sandbox():
    """A function (folder, now) -> base URL of a sandbox over that tape; they stop with the module's tests."""
    with ExitStack() as running:
        yield lambda folder, now=None: running.enter_context(_running(folder, now))


@contextmanager
def _running(folder: Path, now: datetime | None):
    from aiohttp import web

    from orchestration.sandbox.server import application
    from orchestration.sandbox.tape import Tape

    loop = asyncio.new_event_loop()
    runner = web.AppRunner(
        application(Tape(folder), now), access_log=None, handler_cancellation=True, shutdown_timeout=0
    )
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> int:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner.addresses[0][1]

    port = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture(scope="session")
def walked(tmp_path_factory):
    """A function (tape, now, assets, words of a backfill) -> the home, backfilled and with a refresh behind it."""

    @cache
    def walk(tape: str, now: datetime, assets: str, *words: str) -> Path:
        home = tmp_path_factory.mktemp(tape)
        (home / "universe.yml").write_text(f"assets: [{assets}]\n")
        with _running(RECORDINGS / tape, now) as url:
            environment = {
                **os.environ,
                "MARKET_STRESS_HOME": str(home),
                "MARKET_STRESS_UNIVERSE": str(home / "universe.yml"),
                "MARKET_STRESS_NOW": now.isoformat(),
                "MARKET_STRESS_EXCHANGE_URL": url,
            }
            for command in (["backfill", *words], ["refresh"]):
                ended = subprocess.run(
                    [COMMAND, *command], env=environment, capture_output=True, text=True, check=False
                )
                assert ended.returncode == 0, ended.stderr
        return home

    return walk


@pytest.fixture(scope="session")
def crash_home(walked) -> Path:
    """The home of the crash of August 2024, on gate."""
    if not RECORDINGS.is_dir():
        pytest.skip(f"the recordings are not at {RECORDINGS}")
    return walked(
        "crash-2024-08", datetime(2024, 8, 19, 21, tzinfo=UTC), "BTC, ETH, SOL",
        "--start", "2024-06-19", "--end", "2024-08-20", "--exchange", "gate",
    )  # fmt: skip


@pytest.fixture(scope="session")
def demo_home(tmp_path_factory) -> Path:
    """The home of the demo, its tape under `tapes/`."""
    folder = tmp_path_factory.mktemp("demo")
    ended = subprocess.run([COMMAND, "demo"], cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return folder / "data" / "demo"
