"""A home of an earlier version: its raw facts get the columns that they lack, and keep everything else."""

from datetime import UTC, datetime

import duckdb
import pandas as pd
import pyarrow.parquet
import pytest

from orchestration import contracts
from orchestration.lake import facts, migration

NOW = datetime(2026, 2, 12, tzinfo=UTC)
SINCE = ("origin", "period_hours")  # what format 1 did not know


def totals(long_usd: float) -> pd.DataFrame:
    row = {
        "exchange": "gate", "symbol": "BTC/USDT:USDT", "period_start_at": "2026-02-11T10:00Z", "long_usd": long_usd,
        "short_usd": 1.0,
    }  # fmt: skip
    return contracts.validate(pd.DataFrame([row]), "liquidation_totals", NOW)[0]


@pytest.fixture
def old_home(tmp_path):
    """A current row of totals, and the row that it replaced, as the earlier version wrote them."""
    facts.prepare(tmp_path)
    facts.write(tmp_path, "liquidation_totals", totals(1.0), "rest", NOW)
    facts.write(tmp_path, "liquidation_totals", totals(2.0), "rest", NOW)
    for file in [path for path in (tmp_path / "raw").rglob("*.parquet") if path.is_file()]:
        table = pyarrow.parquet.read_table(file)
        pyarrow.parquet.write_table(table.drop_columns([name for name in SINCE if name in table.column_names]), file)
    return tmp_path


def rows(home, dataset="liquidation_totals") -> list[tuple]:
    query = f"select long_usd, period_hours, origin, revision from '{home}/raw/{dataset}/**/*.parquet'"
    return duckdb.sql(query).fetchall()


def test_an_old_home_is_noticed_and_a_new_one_is_not(old_home, tmp_path_factory):
    assert migration.is_needed(old_home)
    empty = tmp_path_factory.mktemp("new")
    assert not migration.is_needed(empty)
    facts.prepare(empty)
    assert not migration.is_needed(empty)


def test_missing_columns_get_what_they_meant(old_home):
    assert migration.migrate(old_home) > 2
    assert rows(old_home) == [(2.0, 1.0, "live", 1)]
    assert rows(old_home, "superseded/liquidation_totals") == [(1.0, 1.0, "live", 0)]
    assert not migration.is_needed(old_home)
    assert migration.migrate(old_home) == 0


def test_what_was_marked_as_simulated_says_so_itself(old_home):
    (old_home / "SIMULATED").write_text("This home holds the built-in scenario.")
    migration.migrate(old_home)
    assert [row[2] for row in rows(old_home)] == ["simulated:deleveraging-2026-02"]
    assert not (old_home / "SIMULATED").exists()


def test_after_migration_the_same_rows_again_write_nothing(old_home):
    migration.migrate(old_home)
    assert facts.write(old_home, "liquidation_totals", totals(2.0), "rest", NOW) == facts.Written(unchanged=1)
    assert facts.write(old_home, "liquidation_totals", totals(3.0), "rest", NOW) == facts.Written(changed=1)


def test_a_killed_migration_is_completed_by_the_next(old_home):
    file = next((old_home / "raw" / "liquidation_totals").glob("*/*/rest.parquet"))
    migration._complete(old_home, file, "live")
    assert migration.is_needed(old_home)
    migration.migrate(old_home)
    assert rows(old_home) == [(2.0, 1.0, "live", 1)]


def test_imported_events_that_rest_brought_too_are_given_to_it(old_home):
    """Format 1 left them with the import; the hour's source is now rest, which would then have none."""
    event = {
        "exchange": "okx", "symbol": "BTC/USDT:USDT", "occurred_at": "2026-02-11T10:30Z", "position_side": "long",
        "price": 5.0, "price_kind": "bankruptcy", "quantity_base": 1.0, "notional_usd": 5.0,
    }  # fmt: skip
    events = [event | {"event_id": "a"}, event | {"event_id": "b", "occurred_at": "2026-02-11T11:30Z"}]
    receipt = {
        "exchange": "okx", "dataset": "liquidations", "symbol": "BTC/USDT:USDT", "start_at": "2026-02-11T10:00Z",
        "end_at": "2026-02-11T11:00Z", "feed": "rest", "state": "complete", "reason": None,
    }  # fmt: skip
    for dataset, told in (("liquidations", events), ("coverage", [receipt])):
        good, _ = contracts.validate(pd.DataFrame(told), dataset, NOW)
        facts.write(old_home, dataset, good, "import" if dataset == "liquidations" else "rest", NOW)
    migration.migrate(old_home)
    feeds = facts.read_raw(old_home, "liquidations").sort_values("event_id")["feed"]
    assert feeds.tolist() == ["rest", "import"]
