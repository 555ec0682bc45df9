"""What is read of a home: first revisions in the place of later ones, late rows counted, feeds thinned."""

import os
from datetime import UTC, datetime, timedelta

import duckdb
import pandas as pd
import pytest

from orchestration import contracts
from orchestration.evaluation import facts
from orchestration.lake import facts as lake

NOW = datetime(2026, 2, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
NAME = "gate:BTC/USDT:USDT"
# A home of one instrument and 32 days, as built from the revised rows: 400 USD of longs in the hour that ends at
# 2026-02-11 10:00, open interest of 500 (5 coins at 100) now, as many 24 h and 28 d ago, a rate of 0.2 a year.
BUILD = """
create schema intermediate;
create table dbt_invocation as select 'one' as invocation_id, true as is_successful;
create table intermediate.int_stress_instruments_hourly as
select as_of, 'BTC' as asset, 'gate:BTC/USDT:USDT' as instrument,
    case when as_of = timestamp '2026-02-11 10:00' then 400.0 else 0.0 end as long_usd, {nature} as completeness,
    timestamp '2019-09-01' as epoch_at, 500.0 as open_interest_usd, 500.0 as open_interest_24h_ago_usd,
    0.0 as closed_24h_usd, 0.0 as closed_28d_usd, 500.0 as start_28d_usd, 0.2 as funding_rate_annualised,
    100.0 as close
from range(timestamp '2026-01-11', timestamp '2026-02-12 01:00', interval 1 hour) as hours(as_of);
create table intermediate.int_prices_hourly as
select as_of, asset, 'gate' as exchange, 'BTC/USDT:USDT' as symbol, 90.0 as low, 90.0 as close
from intermediate.int_stress_instruments_hourly
"""
WAREHOUSE = """
create table dbt_invocation as select 'one' as invocation_id, true as is_successful;
create table origins as select 'candles' as dataset, 'gate' as exchange, 'live' as origin, 9 as rows,
    timestamp '2026-01-11' as first_at, timestamp '2026-02-12' as last_at;
create table market_stress as
select timestamp '2026-02-12' as as_of, 'BTC' as asset, 50.0 as score, 180 as warm_up_days;
create table context_daily as
select 'fear_and_greed' as series, timestamp '2026-02-11' as known_at, cast(9 as decimal(38, 12)) as value;
create table stabilisation as select timestamp '2026-02-12' as as_of, 'BTC' as asset, 90.0 as support_level,
    true as price_met, null::boolean as pace_met
"""


def write(home, dataset: str, now: datetime, **columns) -> None:
    frame = pd.DataFrame({"exchange": "gate", "symbol": "BTC/USDT:USDT", "payload": "{}", **columns})
    good, refused = contracts.validate(frame, dataset, LATER)
    assert refused.empty, refused["reason"].tolist()
    lake.write(home, dataset, good, "rest", now)


def event(value: float, at: str, name: str = "a", side: str = "long") -> dict:
    return {
        "event_id": [name], "occurred_at": pd.to_datetime([at], utc=True), "position_side": side, "price": 100.0,
        "price_kind": "average", "quantity_base": value / 100, "notional_usd": value,
    }  # fmt: skip


@pytest.fixture
def home(tmp_path):
    """A function (nature) -> home with raw facts prepared and a build and warehouse that stay the newest files."""
    lake.prepare(tmp_path)

    def make(nature: str = "complete"):
        for name, script in (("build", BUILD.format(nature=f"'{nature}'")), ("warehouse", WAREHOUSE)):
            with duckdb.connect(tmp_path / f"{name}.duckdb") as connection:
                connection.execute(script)
        return tmp_path

    return make


def at(frame: pd.DataFrame, as_of: str) -> pd.Series:
    return frame.set_index("as_of").loc[pd.Timestamp(as_of)]


def told(read: facts.Facts, dataset: str) -> tuple:
    its = next(row for row in read.revisions if row["dataset"] == dataset)
    return its["rows"], its["revised"], its["first_revision_kept"], its["backfilled"]


def test_a_revised_bar_counts_with_its_first_low_and_close(tmp_path, home):
    for close, now in ((100.0, NOW), (90.0, LATER)):
        bar = {"open": 100.0, "high": 110.0, "low": close - 5, "close": close, "volume_base": 1.0}
        write(tmp_path, "candles", now, opened_at=pd.to_datetime(["2026-02-11T09:00Z"]), **bar)
    read = facts.read(home())
    assert at(read.bars, "2026-02-11 10:00")[["low", "close"]].tolist() == [95.0, 100.0]
    assert at(read.bars, "2026-02-11 11:00")["close"] == 90.0
    assert told(read, "candles") == (1, 1, 1, 0)


def test_a_revised_event_gives_its_first_value_back(tmp_path, home):
    """Of 1,000 USD an exchange later made 400; another event of that hour, 300, it never changed."""
    write(tmp_path, "liquidations", NOW, **event(1000.0, "2026-02-11T09:10Z"))
    write(tmp_path, "liquidations", NOW, **event(300.0, "2026-02-11T09:20Z", "b"))
    write(tmp_path, "liquidations", LATER, **event(400.0, "2026-02-11T09:10Z"))
    read = facts.read(home())
    assert at(read.instruments, "2026-02-11 10:00")["long_usd"] == 400 + (1000 - 400)
    assert told(read, "liquidations") == (2, 1, 1, 0)


def test_a_revised_total_counts_where_the_hour_rests_on_totals(tmp_path, home):
    for usd, now in ((1000.0, NOW), (400.0, LATER)):
        write(
            tmp_path, "liquidation_totals", now, period_start_at=pd.to_datetime(["2026-02-11T09:00Z"]), period_hours=1,
            long_usd=usd, short_usd=0.0, long_base=None, short_base=None,
        )  # fmt: skip
    assert at(facts.read(home("totals")).instruments, "2026-02-11 10:00")["long_usd"] == 1000


def test_a_total_that_was_not_chosen_moves_nothing(tmp_path, home):
    for usd, now in ((1000.0, NOW), (400.0, LATER)):
        write(
            tmp_path, "liquidation_totals", now, period_start_at=pd.to_datetime(["2026-02-11T09:00Z"]), period_hours=1,
            long_usd=usd, short_usd=0.0, long_base=None, short_base=None,
        )  # fmt: skip
    assert at(facts.read(home("complete")).instruments, "2026-02-11 10:00")["long_usd"] == 400


def test_revised_open_interest_moves_the_hour_and_what_looks_back_on_it(tmp_path, home):
    """Of 10 coins an exchange later made 5. At the price of 100, 500 USD become 1,000 again: what was closed within the
    24 h until then is 500 - 1,000, and a day later 1,000 - 500."""
    for coins, now in ((10.0, NOW), (5.0, LATER)):
        write(
            tmp_path, "open_interest", now, observed_at=pd.to_datetime(["2026-02-10T10:00Z"]),
            open_interest_contracts=None, open_interest_base=coins, open_interest_usd=100 * coins,
        )  # fmt: skip
    write(
        tmp_path, "open_interest", NOW, observed_at=pd.to_datetime(["2026-02-10T11:00Z"]),
        open_interest_contracts=None, open_interest_base=5.0, open_interest_usd=500.0,
    )  # fmt: skip
    frame = facts.read(home()).instruments
    assert at(frame, "2026-02-10 10:00")[["open_interest_usd", "closed_24h_usd"]].tolist() == [1000, -500]
    assert at(frame, "2026-02-11 10:00")[["open_interest_24h_ago_usd", "closed_24h_usd"]].tolist() == [1000, 500]
    assert at(frame, "2026-02-10 11:00")["open_interest_usd"] == 500


def test_a_revised_rate_was_in_force_until_the_next_settlement(tmp_path, home):
    for rate, now in ((0.0001, NOW), (0.0002, LATER)):
        write(
            tmp_path,
            "funding_rates",
            now,
            funded_at=pd.to_datetime(["2026-02-11T00:00Z"]),
            rate=rate,
            interval_hours=8.0,
        )
    write(
        tmp_path, "funding_rates", NOW, funded_at=pd.to_datetime(["2026-02-11T08:00Z"]), rate=0.0002, interval_hours=8.0
    )
    frame = facts.read(home()).instruments
    first = frame[frame["funding_rate_annualised"] == 0.1]["as_of"]
    assert (first.min(), first.max(), len(first)) == (
        pd.Timestamp("2026-02-11 00:00"),
        pd.Timestamp("2026-02-11 07:00"),
        8,
    )


def test_an_event_that_only_becomes_another_feed_s_was_not_revised(tmp_path, home):
    row = pd.DataFrame(
        {"exchange": "gate", "symbol": "BTC/USDT:USDT", "payload": "{}", **event(400.0, "2026-02-11T09:10Z")}
    )
    good, _ = contracts.validate(row, "liquidations", LATER)
    lake.write(tmp_path, "liquidations", good, "import", NOW)
    lake.write(tmp_path, "liquidations", good, "rest", LATER)
    assert told(facts.read(home()), "liquidations") == (1, 0, 0, 0)


def test_a_first_revision_that_is_lost_is_told(tmp_path, home):
    for value, now in ((1000.0, NOW), (400.0, LATER)):
        write(tmp_path, "liquidations", now, **event(value, "2026-02-11T09:10Z"))
    for file in (tmp_path / "raw" / "superseded").rglob("*.parquet"):
        if file.is_file():
            file.unlink()
    read = facts.read(home())
    assert told(read, "liquidations") == (1, 1, 0, 0)
    assert at(read.instruments, "2026-02-11 10:00")["long_usd"] == 400


def test_rows_that_came_more_than_a_day_late_are_counted(tmp_path, home):
    write(tmp_path, "liquidations", NOW, **event(1.0, "2026-02-10T23:59Z"))
    write(tmp_path, "liquidations", NOW, **event(1.0, "2026-02-11T00:01Z", "b"))
    assert told(facts.read(home()), "liquidations") == (2, 0, 0, 1)


def test_one_event_a_second_and_the_largest_is_kept(tmp_path, home):
    """Second 10: longs of 300 and 100, of which 300 stays. Second 11: a long of 100 stays, larger than a short of 90.
    Second 12: a long of 100 goes, since the short of 900 is pushed. Of 600 USD of longs 400 stay."""
    for value, at_, name, side in (
        (300.0, "2026-02-11T09:00:10.100Z", "a", "long"), (100.0, "2026-02-11T09:00:10.900Z", "b", "long"),
        (100.0, "2026-02-11T09:00:11.000Z", "c", "long"), (90.0, "2026-02-11T09:00:11.500Z", "d", "short"),
        (100.0, "2026-02-11T09:00:12.000Z", "e", "long"), (900.0, "2026-02-11T09:00:12.100Z", "f", "short"),
    ):  # fmt: skip
        write(tmp_path, "liquidations", NOW, **event(value, at_, name, side))
    kept = facts.read(home()).kept
    assert kept.to_dict("records") == [
        {"as_of": pd.Timestamp("2026-02-11 10:00"), "instrument": NAME, "kept_ratio": 2 / 3}
    ]


def test_a_build_that_was_not_published_is_refused(home):
    folder = home()
    with duckdb.connect(folder / "build.duckdb") as build:
        build.execute("update dbt_invocation set invocation_id = 'two'")
    with pytest.raises(ValueError, match="not what was published"):
        facts.read(folder)


def test_a_home_of_an_earlier_version_is_told_the_way_out(home):
    folder = home()
    with duckdb.connect(folder / "warehouse.duckdb") as warehouse:
        warehouse.execute("drop table origins")
    with pytest.raises(ValueError, match="earlier version: run `market-stress refresh`"):
        facts.read(folder)


def test_revisions_that_the_build_has_not_seen_are_refused(tmp_path, home):
    folder = home()
    for value, now in ((1000.0, NOW), (400.0, LATER)):
        write(tmp_path, "liquidations", now, **event(value, "2026-02-11T09:10Z"))
    later = (folder / "build.duckdb").stat().st_mtime + 5
    for file in (tmp_path / "raw" / "superseded").rglob("*.parquet"):
        os.utime(file, (later, later))
    with pytest.raises(ValueError, match="revised since the last refresh"):
        facts.read(folder)
