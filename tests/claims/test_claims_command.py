"""`market-stress claims`: what it prints, and that a bad list is refused with nothing written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from marts import HOLDERS_HOURLY, csv_file, row, warehouse

COMMAND = Path(sys.executable).with_name("market-stress")


@pytest.fixture
def run(tmp_path):
    """A function (words) -> how the command ended, in a home whose warehouse was published."""
    (tmp_path / "home").mkdir()
    warehouse(tmp_path / "home" / "warehouse.duckdb", HOLDERS_HOURLY).close()
    environment = os.environ | {
        "MARKET_STRESS_HOME": str(tmp_path / "home"),
        "MARKET_STRESS_NOW": "2026-02-12T00:00:00Z",
    }
    return lambda *words: subprocess.run(
        [COMMAND, "claims", *words], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )


def test_a_list_is_answered_with_verdict_figure_tolerance_completeness_query_and_implied_hour(run, tmp_path):
    level = row(claim="[b]", metric="price", window="now", unit="usd", relation="holds", value="75000")
    csv_file(tmp_path / "mine.csv", row(), level)
    ended = run("mine.csv")
    assert ended.returncode == 0
    assert ended.stdout.startswith("SIMULATED: ")
    told = [" ".join(line.split()) for line in ended.stdout.splitlines()]
    assert "a supported" in told
    assert "claimed long_liquidations, BTC, 24h: equals 237 million USD" in told
    assert "tolerance 2.37 million USD" in told
    assert "ours 237 million USD, observed 100 %, lower bound" in told
    assert any(line.startswith("query select (long_usd_24h) / 1e+06 as figure") for line in told)
    assert "[b] stale" in told  # what comes from files is no markup
    assert "implied as-of 2026-02-10 23:00 UTC" in told
    assert told[-1] == "1 supported, 1 stale"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"metric": "fear"}, "mine.csv, line 2, metric: unknown metric 'fear'"),
        ({"unit": "euro"}, "mine.csv, line 2, unit: unknown unit 'euro'"),
        ({"scope": "[red]DOGE"}, "mine.csv, line 2, scope: unknown scope '[red]DOGE'"),
        ({"as_of": "12.2.2026"}, "mine.csv, line 2, as_of: '12.2.2026' is no date"),
    ],
)
def test_a_bad_list_is_one_line_that_names_line_and_column_and_nothing_is_written(run, tmp_path, changes, named):
    csv_file(tmp_path / "mine.csv", row(**changes))
    before = sorted(tmp_path.rglob("*"))
    ended = run("mine.csv")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert named in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_not_there_is_named(run):
    assert "none.csv is no file" in run("none.csv").stderr
    ended = run()  # the warehouse above was published without claim_checks
    assert ended.returncode == 2
    assert "run `market-stress refresh`" in ended.stderr
