"""Coverage over time: shares, reasons, and what lies before the warehouse's first day."""

from datetime import date, timedelta

import duckdb
import pytest

from orchestration import coverage as coverage_of
from orchestration.brief import coverage, coverage_summary
from orchestration.lake import facts


def test_coverage_tells_shares_and_reasons(brief):
    feeds = {(feed["exchange"], feed["dataset"]): feed for feed in brief["coverage"]["feeds"]}
    assert feeds["gate", "candles"]["observed_ratio"] == feeds["gate", "funding_rates"]["observed_ratio"] == 1
    gate, binance = feeds["gate", "liquidations"], feeds["binance", "liquidations"]
    assert gate["observed_ratio"] == pytest.approx(23 / 24 * 29 / 30)
    assert gate["is_lower_bound"]
    assert gate["gaps"] == [{"state": "failed", "reason": "timeout", "instrument_hours": 72 + 29 * 3}]
    assert binance["observed_ratio"] == 0
    assert "import a recording" in binance["gaps"][0]["reason"]


def test_a_window_that_begins_within_a_day_counts_its_share(published, as_of):
    with duckdb.connect(published, read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        feeds = coverage.observed(connection, as_of - timedelta(hours=15))  # 9 hours of the last day, 15 of the first
    assert feeds[0]["dataset"] == "liquidations"
    [candles] = [feed for feed in feeds if (feed["exchange"], feed["dataset"]) == ("gate", "candles")]
    assert candles["observed_ratio"] == pytest.approx((29 * 24 + 24 + 15) / 720)  # the fixture's last day is whole


def test_hours_before_the_first_day_are_missing_too(published, tmp_path, as_of):
    short = tmp_path / "warehouse.duckdb"
    short.write_bytes(published.read_bytes())
    with duckdb.connect(short) as connection:
        connection.execute("set TimeZone = 'UTC'; delete from coverage_daily where period_start_date < '2026-02-02'")
        [candles] = [
            feed for feed in coverage.observed(connection, as_of)
            if (feed["exchange"], feed["dataset"]) == ("gate", "candles")
        ]  # fmt: skip
    assert candles["observed_ratio"] == pytest.approx(10 / 30)
    [gap] = candles["gaps"]
    assert gap == {
        "state": "never asked",
        "reason": "the warehouse holds no day before 2026-02-02",
        "instrument_hours": 20 * 24 * 3,
    }


def test_summary_tells_hours_by_state_and_what_an_exchange_does_not_list(published, as_of):
    rows = {(row["exchange"], row["dataset"]): row for row in coverage_summary(published, as_of)}
    assert rows["gate", "liquidations"] == {
        "exchange": "gate",
        "dataset": "liquidations",
        "first_date": date(2025, 11, 9),
        "last_date": date(2026, 2, 11),
        "observed_ratio": pytest.approx(23 / 24 * 94 / 95),
        "reason": "timeout",
        "hours": {"complete": 94 * 3 * 23, "failed": 94 * 3 + 72},
    }
    assert rows["binance", "liquidations"]["hours"] == {"never_asked": 95 * 3 * 24}
    assert rows["binance", "liquidations"]["first_date"] is None
    assert rows["binance", "instruments"]["reason"] == "XRP/USDT:USDT: binance does not list it"
    assert rows["binance", "instruments"]["hours"] == {"unavailable": 24}


def test_hours_since_a_schedule_stopped_are_never_asked_and_those_without_a_refresh_not_published(
    published, tmp_path, as_of
):
    (tmp_path / "warehouse.duckdb").write_bytes(published.read_bytes())
    later = as_of + timedelta(hours=72, minutes=20)
    warehouse = tmp_path / "warehouse.duckdb"
    before = {(row["exchange"], row["dataset"]): row for row in coverage_summary(warehouse, as_of)}["gate", "candles"]
    stopped = {(row["exchange"], row["dataset"]): row for row in coverage_summary(warehouse, later)}["gate", "candles"]
    assert (before["observed_ratio"], before["hours"]) == (1, {"complete": 95 * 72})
    assert stopped["hours"] == {"complete": 95 * 72, "never_asked": 3 * 72}
    assert stopped["observed_ratio"] == pytest.approx(95 / 98)
    assert stopped["last_date"] == (as_of + timedelta(days=2)).date()
    assert stopped["reason"] == "nobody asked in the latest 72 hours"

    states = coverage_of.uniform_states("complete", None, as_of, as_of + timedelta(hours=10))
    receipts = coverage_of.receipts("gate", "candles", "BTC/USDT:USDT", states).assign(payload=None, origin=None)
    facts.write(tmp_path, "coverage", receipts, "rest", later)
    asked = {(row["exchange"], row["dataset"]): row for row in coverage_summary(warehouse, later)}["gate", "candles"]
    assert asked["hours"] == {"complete": 95 * 72, "never_asked": 3 * 72 - 10, "not_published": 10}


def test_nothing_published_is_said_with_the_way_out(tmp_path, as_of):
    with pytest.raises(FileNotFoundError, match="run `market-stress backfill`"):
        coverage_summary(tmp_path / "warehouse.duckdb", as_of)
