"""Receipts say which hours were observed, and why the others were not."""

from datetime import UTC, datetime

import pandas as pd

from orchestration import coverage

START, END = datetime(2026, 2, 10, tzinfo=UTC), datetime(2026, 2, 11, tzinfo=UTC)


def told(states: pd.DataFrame) -> list[tuple]:
    rows = coverage.receipts("gate", "candles", "SOL/USDT:USDT", states)
    return [(row.start_at.hour, row.end_at.hour or 24, row.state) for row in rows.itertuples()]


def stamps(*hours: int) -> pd.Series:
    return pd.Series(pd.to_datetime([f"2026-02-10T{hour:02}:00Z" for hour in hours], utc=True))


def test_whole_series_is_one_receipt():
    assert told(coverage.series_states(stamps(*range(24)), START, END)) == [(0, 24, "complete")]


def test_gap_is_partial_and_the_time_before_the_first_row_unavailable():
    seen = stamps(*[hour for hour in range(5, 24) if hour not in (9, 10)])
    assert told(coverage.series_states(seen, START, END)) == [
        (0, 5, "unavailable"), (5, 9, "complete"), (9, 11, "partial"), (11, 24, "complete"),
    ]  # fmt: skip


def test_empty_answer_is_no_observation():
    for states in (coverage.series_states, coverage.funding_states):
        assert told(states(stamps(), START, END)) == [(0, 24, "unavailable")]


def test_funding_is_observed_between_settlements():
    assert told(coverage.funding_states(stamps(0, 8, 16), START, END)) == [(0, 24, "complete")]
    assert told(coverage.funding_states(stamps(7, 15, 23), START, END)) == [(0, 24, "complete")]
    assert told(coverage.funding_states(stamps(16), START, END)) == [(0, 16, "unavailable"), (16, 24, "complete")]


def test_quiet_hours_after_the_oldest_event_are_observed():
    since = datetime(2026, 2, 10, 6, tzinfo=UTC)
    assert told(coverage.event_states(since, START, END)) == [(0, 6, "unavailable"), (6, 24, "complete")]
    assert told(coverage.event_states(None, START, END)) == [(0, 24, "unavailable")]


def test_every_receipt_that_is_not_complete_says_why():
    rows = coverage.receipts("gate", "candles", "SOL/USDT:USDT", coverage.series_states(stamps(5, 7), START, END))
    assert rows.loc[rows["state"] != "complete", "reason"].notna().all()
    assert rows.loc[rows["state"] == "complete", "reason"].isna().all()


def test_range_without_hours_has_no_receipt():
    assert coverage.receipts("gate", "candles", "SOL/USDT:USDT", coverage.series_states(stamps(), END, END)).empty
