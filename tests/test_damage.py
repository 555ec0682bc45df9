"""Damaged files of raw facts: named, set aside, their receipts failed, and everything else goes on."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration import contracts
from orchestration import home as homes
from orchestration.lake import damage, facts

NOW = datetime(2026, 2, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
DAY = pd.Timestamp("2026-02-10", tz="UTC")
FILE = "raw/candles/exchange=gate/date=2026-02-10/rest.parquet"


def candles(start="2026-02-09", hours=72, close=7.0):
    stamps = pd.date_range(start, periods=hours, freq="h", tz="UTC")
    bar = {"open": 7.0, "high": 7.0, "low": 6.0, "close": close, "volume_base": 1.0, "payload": "{}"}
    rows = pd.DataFrame({"exchange": "gate", "symbol": "BTC/USDT:USDT", "opened_at": stamps} | bar)
    return contracts.validate(rows, "candles", LATER)[0]


def receipts(*rows, feed="rest"):
    """(start, end, state) of candles of BTC on gate."""
    told = [
        {"exchange": "gate", "dataset": "candles", "symbol": "BTC/USDT:USDT", "start_at": start, "end_at": end,
         "feed": feed, "state": state, "reason": None if state == "complete" else state}
        for start, end, state in rows
    ]  # fmt: skip
    return contracts.validate(pd.DataFrame(told), "coverage", LATER)[0]


@pytest.fixture
def home(tmp_path):
    home = tmp_path / "it's a [home]"
    homes.prepare(home)
    facts.prepare(home)
    facts.write(home, "candles", candles(), "rest", NOW)
    facts.write(home, "coverage", receipts(("2026-02-09", "2026-02-12", "complete")), "rest", NOW)
    return home


def told(home) -> list[tuple]:
    rows = facts.read_raw(home, "coverage").sort_values(["start_at", "end_at"])
    stamps = [rows[name].dt.strftime("%m-%d %H") for name in ("start_at", "end_at")]
    return list(zip(*stamps, rows["state"], strict=True))


def truncate(file):
    file.write_bytes(file.read_bytes()[:-100])


def empty(file):
    file.write_bytes(b"")


def overwrite(file):
    file.write_bytes(b"no Parquet at all, but long enough to be taken for some\n" * 99)


def foreign(file):
    pyarrow.parquet.write_table(pyarrow.table({"price": [1.0]}), file)


def wrong_kind(file):
    table = pyarrow.parquet.read_table(file)
    texts = pyarrow.array(["dear"] * len(table))
    pyarrow.parquet.write_table(table.set_column(table.column_names.index("close"), "close", texts), file)


def folder(file):
    file.unlink()
    file.mkdir()


def broken_page(file):
    content = file.read_bytes()
    file.write_bytes(content[:4] + bytes(255 - byte for byte in content[4:1000]) + content[1000:])


FAULTS = [truncate, empty, overwrite, foreign, wrong_kind, folder]


def test_a_sound_home_is_left_alone(home):
    before = {file: file.stat().st_mtime_ns for file in home.rglob("*")}
    assert damage.found(home, whole=True) == []
    assert facts.set_aside(home, LATER, whole=True) == []
    assert {file: file.stat().st_mtime_ns for file in home.rglob("*")} == before


@pytest.mark.parametrize("fault", [*FAULTS, broken_page])
def test_damaged_file_is_named_and_set_aside_and_its_day_failed(home, fault):
    fault(home / FILE)
    assert [str(one.path) for one in damage.found(home, whole=True)] == [FILE]
    assert (fault is broken_page) is (damage.found(home) == [])
    (moved,) = facts.set_aside(home, LATER, whole=True)
    assert (moved.exchange, moved.dataset, f"{moved.day}") == ("gate", "candles", "2026-02-10")
    assert not (home / FILE).exists()
    assert (home / "quarantine/files" / FILE).exists()
    assert told(home) == [
        ("02-09 00", "02-10 00", "complete"), ("02-10 00", "02-11 00", "failed"), ("02-11 00", "02-12 00", "complete")
    ]  # fmt: skip
    (reason,) = facts.read_raw(home, "coverage", "state = 'failed'")["reason"]
    assert reason.startswith(f"{FILE} is damaged (")
    assert len(facts.read_raw(home, "candles")) == 48
    assert facts.set_aside(home, LATER, whole=True) == []


@pytest.mark.parametrize("fault", [*FAULTS, broken_page])
def test_fetching_the_day_again_heals_it(home, fault):
    before = facts.read_raw(home, "candles")
    fault(home / FILE)
    facts.set_aside(home, LATER, whole=True)
    assert facts.write(home, "candles", candles("2026-02-10", 24), "rest", LATER).new == 24
    facts.write(home, "coverage", receipts(("2026-02-10", "2026-02-11", "complete")), "rest", LATER)
    columns = ["opened_at", "close"]
    pd.testing.assert_frame_equal(
        facts.read_raw(home, "candles")[columns].sort_values("opened_at", ignore_index=True),
        before[columns].sort_values("opened_at", ignore_index=True),
    )
    assert {state for _, _, state in told(home)} == {"complete"}


@pytest.mark.parametrize("fault", [truncate, empty, overwrite, broken_page])
def test_a_write_that_meets_a_damaged_file_sets_it_aside(home, fault):
    fault(home / FILE)
    assert facts.write(home, "candles", candles("2026-02-10", 3), "rest", LATER).new == 3
    assert (home / "quarantine/files" / FILE).exists()
    assert ("02-10 00", "02-11 00", "failed") in told(home)
    assert len(facts.read_raw(home, "candles")) == 51


@pytest.mark.parametrize("fault", [*FAULTS, broken_page])
def test_what_was_set_aside_before_is_kept(home, fault):
    for _ in range(3):
        facts.write(home, "candles", candles("2026-02-10", 24), "rest", LATER)
        fault(home / FILE)
        facts.set_aside(home, LATER, whole=True)
    kept = (home / "quarantine/files" / FILE).parent.iterdir()
    assert sorted(file.name for file in kept) == ["rest.parquet", "rest.parquet.1", "rest.parquet.2"]


@pytest.mark.parametrize("fault", [truncate, empty, overwrite, foreign, broken_page])
def test_lost_receipts_are_failed_for_their_day_and_no_reader_stops(home, fault):
    facts.write(home, "instruments", contracts.validate(pd.DataFrame([{
        "exchange": "gate", "symbol": "BTC/USDT:USDT", "valid_from": "1970-01-01T00:00Z", "asset": "BTC",
        "quote": "USDT", "settle": "USDT", "contract_kind": "linear", "contract_size": 0.0001,
    }]), "instruments", NOW)[0], "rest", NOW)  # fmt: skip
    fault(home / "raw/coverage/exchange=gate/date=2026-02-09/rest.parquet")
    assert facts.read_raw(home, "coverage").empty
    assert len(facts.set_aside(home, LATER, whole=True)) == 1
    rows = facts.read_raw(home, "coverage")
    assert set(rows["dataset"]) == {"candles", "open_interest", "funding_rates", "liquidation_totals"}
    assert set(rows["start_at"]) == {DAY - pd.Timedelta(days=1)}
    assert set(rows["state"]) == {"failed"}
    assert len(facts.read_raw(home, "candles")) == 72


def test_receipts_and_facts_damaged_at_once(home):
    truncate(home / FILE)
    truncate(home / "raw/coverage/exchange=gate/date=2026-02-09/rest.parquet")
    assert [one.dataset for one in facts.set_aside(home, LATER)] == ["coverage", "candles"]
    assert facts.set_aside(home, LATER, whole=True) == []


def test_superseded_rows_empty_files_and_declarations_are_set_aside_too(home):
    facts.write(home, "candles", candles("2026-02-10", 1, close=6.9), "rest", LATER)
    (old,) = [file for file in (home / "raw/superseded").rglob("*.parquet") if file.is_file()]
    declared = home / "universe" / "watched.parquet"
    for file in (old, home / "raw/candles/empty.parquet", declared):
        overwrite(file)
    before = told(home)
    assert len(facts.set_aside(home, LATER)) == 3
    assert told(home) == before
    assert (home / "quarantine/files" / old.relative_to(home)).exists()
    assert facts.read_raw(home, "candles")["close"].min() == 6.9


def test_only_what_was_observed_falls(home):
    facts.write(
        home, "coverage",
        receipts(("2026-02-08", "2026-02-10", "complete"), ("2026-02-10", "2026-02-11", "unavailable"), feed="import"),
        "import", NOW,
    )  # fmt: skip
    truncate(home / FILE)
    facts.set_aside(home, LATER)
    assert ("02-08 00", "02-10 00", "complete") in told(home)
    assert ("02-10 00", "02-11 00", "unavailable") in told(home)


STATES = ("failed", "unavailable", "partial", "complete")
SPANS = st.tuples(
    st.integers(-30, 60), st.integers(1, 60), st.sampled_from(STATES), st.sampled_from(("rest", "import"))
)


@settings(max_examples=25, deadline=None)
@given(st.lists(SPANS, min_size=1, max_size=8, unique_by=lambda span: (span[0], span[1], span[3])))
def test_states_of_other_hours_never_change(tmp_path_factory, spans):
    """By hour, as planning and dbt read receipts: the best answer counts."""
    home = tmp_path_factory.mktemp("home")
    homes.prepare(home)
    facts.prepare(home)
    facts.write(home, "candles", candles(), "rest", NOW)
    hour = pd.Timedelta(hours=1)
    for feed in ("rest", "import"):
        rows = [
            (DAY + start * hour, DAY + (start + length) * hour, state)
            for start, length, state, of in spans if of == feed and DAY + start * hour <= pd.Timestamp(NOW)
        ]  # fmt: skip
        if rows:
            facts.write(home, "coverage", receipts(*rows, feed=feed), feed, NOW)
    before = by_hour(home)
    truncate(home / FILE)
    facts.set_aside(home, LATER)
    after = by_hour(home)
    for at, state in before.items():
        if at < DAY or at >= DAY + 24 * hour:
            assert after[at] == state
        else:
            assert after[at] in (("failed", "unavailable") if state in ("complete", "partial") else (state,))


def by_hour(home) -> dict:
    best: dict = {}
    for row in facts.read_raw(home, "coverage").itertuples():
        for at in pd.date_range(row.start_at, row.end_at, freq="h", inclusive="left"):
            best[at] = max(best.get(at, "failed"), row.state, key=STATES.index)
    return best


def test_a_file_that_cannot_be_opened_is_not_called_damaged(home, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(pyarrow.parquet, "ParquetFile", refuse)
    with pytest.raises(PermissionError):
        damage.found(home)
