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


def test_settlements_that_stop_are_partial_from_one_longest_interval_after_the_last_one():
    assert told(coverage.funding_states(stamps(0, 8), START, END)) == [(0, 16, "complete"), (16, 24, "partial")]
    assert told(coverage.funding_states(stamps(0, 1, 2), START, END)) == [(0, 10, "complete"), (10, 24, "partial")]


def test_settlements_that_pause_are_partial_until_the_next_one():
    states = coverage.funding_states(stamps(0, 4, 20), START, END)
    assert told(states) == [(0, 12, "complete"), (12, 20, "partial"), (20, 24, "complete")]


def test_day_without_a_settlement_is_a_hole_once_the_series_has_begun():
    assert told(coverage.funding_states(stamps(), START, END, has_begun=True)) == [(0, 24, "partial")]


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


def test_gap_at_the_start_of_a_range_is_partial_once_the_series_has_begun():
    assert told(coverage.series_states(stamps(*range(2, 24)), START, END, has_begun=True)) == [
        (0, 2, "partial"), (2, 24, "complete"),
    ]  # fmt: skip
    assert told(coverage.series_states(stamps(), START, END, has_begun=True)) == [(0, 24, "partial")]


def test_state_of_the_same_hours_only_rises():
    def receipt(state):
        return coverage.receipts("gate", "candles", "SOL/USDT:USDT", coverage.uniform_states(state, state, START, END))

    rising = [receipt(state) for state in ("failed", "unavailable", "partial", "complete")]
    for level, held in enumerate(rising):
        kept = [not coverage.without_falls(receipts, held).empty for receipts in rising]
        assert kept == [other >= level for other in range(4)]
    assert not coverage.without_falls(rising[0], receipt("complete").iloc[:0]).empty
