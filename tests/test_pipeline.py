"""The whole house for real: sandbox, ccxt over HTTP, Dagster, Parquet, dbt, checks, gate, published warehouse, brief.

One home is walked through its days in order: good ones, faults, refusals.
"""

import json
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
import requests

from orchestration import cli
from orchestration.cli import terminal
from orchestration.exchanges import declared

pytestmark = pytest.mark.slow

NOW = datetime(2026, 2, 12, tzinfo=UTC)
FIRST, SECOND, THIRD = "2026-02-09", "2026-02-10", "2026-02-11"
SYMBOLS = {"BTC/USDT:USDT": 70_000.0, "ETH/USDT:USDT": 2_000.0}
SIZES = {"gate": 0.01, "bybit": 1.0}
SERVED = {
    exchange: [
        dataset for dataset, feed in declared()[exchange].feeds.items() if feed.served and dataset != "instruments"
    ]
    for exchange in SIZES
}
MISSING_HOUR = pd.Timestamp("2026-02-10T09:00Z")


def series(time_column: str, hours: pd.DatetimeIndex, **columns) -> pd.DataFrame:
    frames = [
        pd.DataFrame({"exchange": exchange, "symbol": symbol, time_column: hours}).assign(
            **{name: figures(price, size) for name, figures in columns.items()}
        )
        for exchange, size in SIZES.items()
        for symbol, price in SYMBOLS.items()
    ]
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def recorded(tape):
    """Three days by the hour of two symbols on two exchanges; gate's totals lack one hour."""
    hours = pd.date_range("2026-02-09", "2026-02-12", freq="h", tz="UTC")
    n = np.arange(len(hours))
    instruments = [
        {"exchange": exchange, "symbol": symbol, "asset": symbol[:3], "quote": "USDT", "settle": "USDT",
         "contract_kind": "linear", "contract_size": size}
        for exchange, size in SIZES.items() for symbol in SYMBOLS
    ]  # fmt: skip
    totals = series(
        "period_start_at", hours[:-1],
        long_usd=lambda price, size: price * (1 + n[:-1]), short_usd=lambda price, size: price / 2.0 * (n[:-1] % 3),
        long_base=lambda price, size: 1.0 + n[:-1], short_base=lambda price, size: (n[:-1] % 3) / 2.0,
    )  # fmt: skip
    totals = totals[(totals["exchange"] == "gate") & (totals["period_start_at"] != MISSING_HOUR)]
    closes = series("opened_at", hours[:-1], close=lambda price, size: price * (1 + n[:-1] / 1000)).assign(
        volume_base=1.0
    )
    candles = closes.assign(open=closes["close"], high=closes["close"] * 1.01, low=closes["close"] * 0.99)
    open_interest = series(
        "observed_at", hours,
        open_interest_base=lambda price, size: 1_000.0 - n,
        open_interest_usd=lambda price, size: (1_000.0 - n) * price * (1 + (n - 1) / 1000),
    )  # fmt: skip
    funding = series("funded_at", hours[:-1:8], rate=lambda price, size: 0.0001)
    return tape(
        instruments=instruments, candles=candles, open_interest=open_interest, funding_rates=funding,
        liquidation_totals=totals,
    )  # fmt: skip


@pytest.fixture(scope="module")
def url(recorded, sandbox):
    return sandbox(recorded, NOW)


@pytest.fixture(scope="module")
def home(url, tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    (folder / "universe.yml").write_text("assets: [BTC, ETH]\nexchanges: [bybit, gate]\nscore: {warm_up_days: 14}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MARKET_STRESS_HOME", str(folder))
        patch.setenv("MARKET_STRESS_UNIVERSE", str(folder / "universe.yml"))
        patch.setenv("MARKET_STRESS_NOW", NOW.isoformat())
        patch.setenv("MARKET_STRESS_EXCHANGE_URL", url)
        from orchestration import home as homes

        for name, value in homes.prepare(folder).items():
            patch.setenv(name, value)
        yield folder


@pytest.fixture(scope="module")
def launch(home):
    from orchestration.defs import launch

    return launch


@pytest.fixture(scope="module")
def market_stress(home):
    """A function (words) -> (exit code, what it said), called in this process as the command would be."""

    def call(*words: str) -> tuple[int, str]:
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as said:
            patch.setattr(sys, "argv", ["market-stress", *words])
            patch.setattr(terminal.out, "width", 200)
            with pytest.raises(SystemExit) as ended:
                cli.main()
        return ended.value.code or 0, said.getvalue()

    return call


@pytest.fixture(scope="module")
def published(home, market_stress):
    """The home after a good backfill of the first two days and a refresh, by the command line."""
    code, said = market_stress("backfill", "--start", FIRST, "--end", THIRD)
    assert code == 0
    assert "gate instruments 2 new, candles 96 new, open_interest 98 new" in said
    code, said = market_stress("refresh")
    assert code == 0
    assert said.split() == ["published", f"{home}/warehouse.duckdb", "brief", f"{home}/reports/latest/brief.html"]
    return home


def ask(home: Path, query: str, database: str = "warehouse.duckdb") -> list[tuple]:
    with duckdb.connect(home / database, read_only=True) as connection:
        return connection.execute(query).fetchall()


def raw_files(home: Path) -> dict[Path, int]:
    return {file: file.stat().st_mtime_ns for file in (home / "raw").rglob("*.parquet")}


def test_figures_walk_from_the_wire_to_the_warehouse(published):
    # BTC on gate, 2026-02-09: hour n liquidates n + 1 coins of longs at 70,000 USD: (1 + ... + 24) x 70,000 = 21 M USD
    # and 0, 0.5, 1 coins of shorts in turn: 8 x 1.5 x 70,000 = 840,000 USD.
    figures = "long_usd, short_usd, observed_ratio, is_complete, completeness"
    row = ask(
        published,
        f"select {figures} from liquidations_daily where exchange = 'gate' and asset = 'BTC' order by all",
    )
    assert row[0] == (21_000_000, 840_000, 1.0, True, "totals")
    # The next day lacks 09:00, hour 33: 34 coins fewer, and 23 of 24 hours observed.
    assert row[1][0] == (sum(range(25, 49)) - 34) * 70_000
    assert row[1][2:4] == (pytest.approx(23 / 24), False)


def test_open_interest_falls_by_its_position_effect_and_rises_by_price(published):
    opened, closed, change, price_effect, position_effect = ask(
        published,
        "select open_base, close_base, change_usd, price_effect_usd, position_effect_usd from open_interest_daily "
        "where exchange = 'gate' and asset = 'BTC' and period_start_date = date '2026-02-10'",
    )[0]
    assert (opened, closed) == (976, 952)
    assert price_effect > 0 > position_effect
    assert price_effect + position_effect == change


def test_what_was_never_fetched_is_null_and_not_zero(published):
    query = "select long_usd, total_usd, observed_ratio, completeness from liquidations_daily where exchange = 'bybit'"
    assert set(ask(published, query)) == {(None, None, 0.0, "missing")}


def test_score_without_history_says_so(published):
    scores = ask(published, "select distinct score, regime, score_low, score_high, reason[:20] from market_stress")
    assert scores == [(None, None, 0.0, 100.0, "insufficient_history")]


def test_brief_and_data_docs_are_written(published):
    brief = json.loads((published / "reports/latest/brief.json").read_text())
    assert brief
    assert "<html" in (published / "reports/latest/brief.html").read_text()
    assert (published / "reports/data_docs/index.html").exists()


def test_every_report_says_that_a_tape_stood_in_for_the_exchanges(published, market_stress):
    with duckdb.connect(published / "warehouse.duckdb", read_only=True) as warehouse:
        assert {row[0].partition(":")[0] for row in warehouse.sql("select origin from origins").fetchall()} == {
            "replayed"
        }
    assert "<title>REPLAYED: " in (published / "reports" / "latest" / "brief.html").read_text()
    assert "REPLAYED" in market_stress("status")[1]


def test_every_page_of_the_dbt_docs_is_described(published):
    manifest = json.loads((published / "dbt/manifest.json").read_text())
    kinds = ("nodes", "sources", "unit_tests", "exposures", "groups", "macros")
    ours = [node for kind in kinds for node in manifest[kind].values() if node["package_name"] == "market_stress"]
    described = [node for node in ours if node["resource_type"] != "operation"]
    assert [node["name"] for node in described if not node["description"].strip()] == []
    columns = [(node["name"], *column) for node in described for column in node.get("columns", {}).items()]
    assert [(name, column) for name, column, terms in columns if not terms["description"].strip()] == []
    built = (
        "select table_name, column_name from duckdb_columns() where schema_name in ('staging', 'intermediate', 'main')"
    )
    not_in_pages = set(ask(published, f"{built} and not internal", "build.duckdb")) - {row[:2] for row in columns}
    assert {table for table, _ in not_in_pages} == {"dbt_invocation"}


def test_published_file_holds_marts_alone_and_every_column_says_what_it_is(published):
    assert ask(published, "select distinct schema_name from duckdb_tables()") == [("main",)]
    assert ask(published, "select count(*) from duckdb_views() where not internal") == [(0,)]
    mute = "where schema_name = 'main' and not internal and coalesce(comment, '') = ''"
    assert ask(published, f"select table_name from duckdb_tables() {mute}") == []
    assert ask(published, f"select table_name, column_name from duckdb_columns() {mute}") == []
    hourly = "select distinct hour_at from liquidations_hourly where exchange = 'gate' and not is_observed"
    assert ask(published, hourly) == [(MISSING_HOUR.tz_localize(None),)]
    kept = "select is_nullable from duckdb_columns() where table_name = 'market_hourly' and column_name = 'as_of'"
    assert ask(published, kept) == [(False,)]


def test_models_mean_what_their_unit_tests_say(published):
    from orchestration import manifest

    command = [manifest.DBT, "test", "--select", "test_type:unit", "--project-dir", manifest.PROJECT]
    folders = [
        "--profiles-dir",
        manifest.PROJECT,
        "--target-path",
        published / "unit",
        "--log-path",
        published / "unit",
    ]
    ended = subprocess.run([*command, *folders], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout[-3000:]
    assert "Done. PASS=" in ended.stdout


def test_commands_that_only_read_answer_from_what_is_published(published, market_stress):
    code, said = market_stress("sql", "select count(*) as days, sum(events) from liquidations_daily")
    assert (code, said.splitlines()[0]) == (0, "days,sum(events)")
    code, said = market_stress("sql", "select nothing")
    assert code == 2
    code, said = market_stress("status")
    assert code == 0
    assert f"Published coverage in {published} (REPLAYED), seen 2026-02-12 00:00 UTC" in said
    assert "not served: bybit publishes no hourly liquidation totals" in said
    (published / "reports/latest/brief.html").unlink()
    assert market_stress("report") == (0, f"brief     {published}/reports/latest/brief.html\n")
    assert (published / "reports/latest/brief.html").exists()


def test_same_backfill_again_writes_nothing(published, launch):
    before = raw_files(published)
    assert launch.run_ingest(published, (FIRST, SECOND), SERVED, []).is_successful
    one_asset = launch.run_ingest(published, (FIRST, SECOND), {"gate": ["open_interest"]}, ["BTC"])
    assert one_asset.materialized["raw/gate/open_interest"]["rows_unchanged"] == 49
    assert raw_files(published) == before


def test_import_quarantines_what_breaks_the_contract_and_keeps_the_rest(published, market_stress, tmp_path):
    rows = pd.DataFrame(
        {
            "exchange": "bybit", "symbol": "BTC/USDT:USDT", "event_id": ["a", "b"],
            "occurred_at": ["2026-02-09T10:00:00Z"] * 2, "position_side": ["long", "Buy"], "price": 70_000.0,
            "price_kind": "bankruptcy", "quantity_base": 0.1, "notional_usd": 7_000.0,
        }
    )  # fmt: skip
    rows.to_csv(tmp_path / "own.csv", index=False)
    code, said = market_stress("import", "--dataset", "liquidations", str(tmp_path / "own.csv"))
    assert (code, said) == (0, f"liquidations 1 new (1 quarantined) from {tmp_path}/own.csv\n")
    reasons = duckdb.read_parquet(str(published / "quarantine/liquidations/*.parquet")).df()["reason"]
    assert reasons.tolist() == ["position_side: Buy breaks isin(['long', 'short'])"]


def test_a_blocked_exchange_fails_alone_and_leaves_its_receipt(published, launch, url):
    requests.post(
        f"{url}/_faults", json=[{"exchange": "bybit", "path": ".*", "kind": "geo_block", "times": None}], timeout=10
    )
    try:
        ended = launch.run_ingest(published, (THIRD, THIRD), SERVED, [])
    finally:
        requests.delete(f"{url}/_faults", timeout=10)
    assert not ended.is_successful
    assert [fault.split(":")[0] for fault in ended.faults] == ["bybit"]
    assert set(ended.materialized) == {f"raw/gate/{dataset}" for dataset in ["instruments", *SERVED["gate"]]}
    receipts = f"read_parquet('{published}/raw/coverage/exchange=bybit/**/*.parquet')"
    hours = f"select sum(date_diff('hour', start_at, end_at)) from {receipts}"
    assert duckdb.sql(f"{hours} where dataset = 'candles' and state = 'failed'").fetchall() == [(24 * len(SYMBOLS),)]


def test_gate_refuses_after_a_failed_check_and_the_last_good_warehouse_stays(published, launch):
    good = (published / "warehouse.duckdb").stat().st_mtime_ns
    day = published / f"raw/candles/exchange=gate/date={FIRST}"
    shutil.copy(day / "rest.parquet", day / "twice.parquet")
    try:
        assert not launch.run_refresh().is_successful
        refused = launch.run_refresh(["market_stress"])
    finally:
        (day / "twice.parquet").unlink()
    assert not refused.is_successful
    assert refused.faults[0].startswith("The gate is closed")
    assert (published / "warehouse.duckdb").stat().st_mtime_ns == good


def test_gate_refuses_after_a_dbt_run_that_did_not_build_everything(published, launch):
    assert launch.run_refresh().is_successful
    assert launch.run_refresh(["market_stress"]).is_successful
    good = (published / "warehouse.duckdb").stat().st_mtime_ns
    assert launch.run_refresh(["candles"]).is_successful
    refused = launch.run_refresh(["market_stress"])
    assert not refused.is_successful
    assert "was not built by dbt invocation" in refused.faults[0]
    assert (published / "warehouse.duckdb").stat().st_mtime_ns == good


TENFOLD = "update main.liquidations_daily set long_usd = long_usd * 10"


def test_gate_refuses_a_build_that_was_edited_after_its_checks(published, launch):
    assert launch.run_refresh().is_successful
    good = (published / "warehouse.duckdb").stat().st_mtime_ns
    with duckdb.connect(str(published / "build.duckdb")) as build:
        build.execute(TENFOLD)
    refused = launch.run_refresh(["market_stress"])
    assert not refused.is_successful
    assert "build.duckdb was changed after dbt had built it" in refused.faults[0]
    assert (published / "warehouse.duckdb").stat().st_mtime_ns == good


def test_gate_refuses_an_edit_that_lies_beside_the_build(published, launch):
    assert launch.run_refresh().is_successful
    good = (published / "warehouse.duckdb").stat().st_mtime_ns
    before = (published / "build.duckdb").read_bytes()
    with duckdb.connect(str(published / "build.duckdb")) as build:
        build.execute("pragma disable_checkpoint_on_shutdown")
        build.execute(TENFOLD)
    assert (published / "build.duckdb").read_bytes() == before  # readers see the edit, the file doesn't show it
    refused = launch.run_refresh(["market_stress"])
    assert not refused.is_successful
    assert "build.duckdb.wal holds a change that dbt did not make" in refused.faults[0]
    assert (published / "warehouse.duckdb").stat().st_mtime_ns == good
    assert launch.run_refresh().is_successful  # which builds all of it anew
    assert not list(published.glob("build.duckdb.*"))


def test_an_exchange_that_dropped_out_is_null_and_not_deleveraging(published):
    query = (
        "select close_usd, change_usd, position_effect_usd from open_interest_daily where exchange = 'bybit' "
        f"and asset = 'BTC' and period_start_date = date '{THIRD}'"
    )
    assert ask(published, query) == [(None, None, None)]
    market = ask(
        published,
        "select position_effect_usd, is_complete from market_daily "
        f"where asset = 'BTC' and period_start_date = date '{THIRD}'",
    )
    gate = ask(
        published,
        "select position_effect_usd from open_interest_daily where exchange = 'gate' and asset = 'BTC' "
        f"and period_start_date = date '{THIRD}'",
    )
    assert market == [(gate[0][0], False)]
