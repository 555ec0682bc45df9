"""The command line refuses bad input in one line, with exit code 2 and nothing written."""

import errno
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest
from wire_server import hourly, speaking

from orchestration import cli
from orchestration.cli import terminal

ONE_DAY = ["backfill", "--start", "2026-01-01", "--end", "2026-01-02"]
COMMAND = Path(sys.executable).with_name("market-stress")


class Ended(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """A function (words, variables) -> how the command line ended, called in this process."""
    for name in ("EXCHANGE_URL", "UNIVERSE"):
        monkeypatch.delenv(f"MARKET_STRESS_{name}", raising=False)
    monkeypatch.setenv("MARKET_STRESS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MARKET_STRESS_NOW", "2026-02-12T00:00:00Z")
    monkeypatch.setattr(terminal.out, "width", 200)
    monkeypatch.chdir(tmp_path)

    def call(*words: str, **environment: str) -> Ended:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["market-stress", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Ended(ended.value.code or 0, *capsys.readouterr())

    return call


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([*ONE_DAY, "--exchange", "ftx"], "unknown exchange 'ftx'"),
        ([*ONE_DAY, "--dataset", "trades"], "unknown dataset 'trades'"),
        ([*ONE_DAY, "--asset", "ABC"], "unknown asset 'ABC'"),
        (["backfill", "--start", "yesterday", "--end", "2026-01-02"], "--start: 'yesterday' is no day"),
        (["backfill", "--start", "2026-01-02", "--end", "2026-01-02"], "is not after --start"),
        (["backfill", "--start", "2026-02-13", "--end", "2026-02-14"], "reaches into the future"),
        (["backfill", "--start", "2019-01-01", "--end", "2026-01-01"], "before 2019-09-01"),
        (["import", "--dataset", "candles", "none.parquet"], "none.parquet does not exist"),
        (["import", "--dataset", "trades", "none.parquet"], "unknown dataset 'trades'"),
        (["sql", "select 1"], "run `market-stress backfill`"),
        (["report"], "run `market-stress backfill`"),
        (["claims", "mine.csv"], "run `market-stress backfill`"),
        (["evaluate"], "run `market-stress backfill`"),
        (["sandbox", "--tape", "no[where]"], "no[where]"),
        (["backfill"], "Missing option"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_code_2(run, tmp_path, words, named):
    ended = run(*words)
    assert ended.returncode == 2
    assert named in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("variable", "value"), [("MARKET_STRESS_NOW", "noon"), ("MARKET_STRESS_UNIVERSE", "/no/such/file.yml")]
)
def test_bad_environment_is_named(run, variable, value):
    ended = run("status", **{variable: value})
    assert ended.returncode == 2
    assert value in ended.stderr


def test_every_command_has_help_with_an_example(run):
    commands = [
        "demo",
        "up",
        "backfill",
        "import",
        "refresh",
        "report",
        "status",
        "sql",
        "claims",
        "evaluate",
        "sandbox",
    ]
    listed = run("--help").stdout
    for command in commands:
        assert command in listed
        assert "Example: market-stress" in run(command, "--help").stdout


def test_command_is_installed_and_starts_without_loading_what_it_does_not_need():
    heavy = "{'pandas', 'numpy', 'dagster', 'ccxt', 'duckdb'} & set(sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", f"import sys, orchestration.cli; print({heavy})"], capture_output=True, text=True
    )
    assert loaded.stdout.strip() == "set()"
    assert subprocess.run([COMMAND, "--help"], capture_output=True, check=False).returncode == 0


def test_import_refuses_a_file_with_other_columns(run, tmp_path):
    (tmp_path / "trades.csv").write_text("price,size\n1,2\n")
    ended = run("import", "--dataset", "liquidations", "trades.csv")
    assert ended.returncode == 2
    assert "does not know size" in ended.stderr


def test_status_before_the_first_refresh_names_the_way_out_and_what_is_served(run):
    ended = run("status")
    assert ended.returncode == 0
    assert "run `market-stress backfill`, then `market-stress refresh`" in ended.stdout
    assert "What the exchanges serve" in ended.stdout


def test_backfill_says_what_was_stored_and_what_failed_when_one_asset_of_several_fails(tmp_path):
    usual = {"contractType": "PERPETUAL", "status": "TRADING", "quoteAsset": "USDT", "marginAsset": "USDT"}
    end = datetime(2026, 1, 2, tzinfo=UTC)

    def klines(query):
        if query["symbol"] == "SRMUSDT":
            return 400, {"code": -1122, "msg": "Invalid symbol status."}
        return [[at, "2", "2", "2", "2", "1"] for at in hourly(query, "startTime", "endTime", end)]

    (tmp_path / "universe.yml").write_text("assets: [SRM, BTC]\nexchanges: [binance]\n")
    with speaking("binance") as wire:
        wire.answers = {
            "/fapi/v1/exchangeInfo": {"symbols": [{"symbol": f"{base}USDT", "baseAsset": base, **usual}
                                                  for base in ("SRM", "BTC")]},
            "/fapi/v1/klines": klines,
        }  # fmt: skip
        named = {"EXCHANGE_URL": wire.url, "UNIVERSE": f"{tmp_path}/universe.yml", "HOME": f"{tmp_path}/home"}
        variables = os.environ | {f"MARKET_STRESS_{name}": value for name, value in named.items()}
        words = [str(COMMAND), *ONE_DAY, "--dataset", "candles"]
        ended = subprocess.run(words, env=variables, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert "candles 24 new, failed in part" in ended.stdout
    assert "binance: candles of SRM/USDT:USDT: HTTP 400: -1122 Invalid symbol status" in ended.stderr
    assert wire.times("/fapi/v1/klines", symbol="SRMUSDT") == 1


@pytest.mark.parametrize("words", [ONE_DAY, ["refresh"], ["import", "--dataset", "liquidations", "events.csv"]])
def test_too_little_room_is_one_line_and_writes_nothing(run, tmp_path, monkeypatch, words):
    columns = "exchange,symbol,event_id,occurred_at,position_side,price,price_kind,quantity_base,notional_usd"
    (tmp_path / "events.csv").write_text(f"{columns}\n")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**9, 10**9, 2_500_000))
    ended = run(*words)
    assert ended.returncode == 1
    assert re.search(r"^market-stress: no space left: needs about \d+ MB in .*, 2 MB are free\n$", ended.stderr)
    assert not list((tmp_path / "home").rglob("*.parquet"))


@pytest.mark.parametrize(
    ("error", "line", "code"),
    [
        (OSError(errno.EROFS, "Read-only file system", "/data/x"), "/data/x is read-only", 2),
        (OSError(errno.EACCES, "Permission denied", "/data/x"), "/data/x is read-only", 2),
        (OSError(errno.ENOSPC, "No space left on device", "/data/x"), "no space left: ", 1),
        (sqlite3.OperationalError("database or disk is full"), "no space left: ", 1),
        (duckdb.IOException("IO Error: Could not write: No space left on device"), "no space left: ", 1),
        (duckdb.IOException("IO Error: Corrupt database file: x"), "Corrupt database file: x: damaged", 1),
    ],
)
def test_what_a_disk_does_not_give_is_one_line(run, monkeypatch, error, line, code):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(os, "access", fail)  # the first thing that a command asks of the file system
    ended = run(*ONE_DAY)
    assert ended.returncode == code
    assert ended.stderr.startswith(f"market-stress: {line}")
    assert len(ended.stderr.splitlines()) == 1
