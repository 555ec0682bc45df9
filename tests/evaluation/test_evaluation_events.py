"""Falls, labels and alarms, with the arithmetic in words."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.evaluation import events
from orchestration.evaluation.events import Event

# A close of 100 for 48 hours. The bar of hour 30 has a low of 92, 8 % below every close of the 24 hours before it, and
# closes at 100 again; so the hours from which that low lies within 24 h are 6 to 29, which are 24.
FLAT = np.full((80, 1), 100.0)
DIPPED = FLAT.copy()
DIPPED[30] = 92.0


def test_label_is_one_where_the_low_lies_within_the_next_24_hours():
    known = events.labels(FLAT, DIPPED, 0.07, 0)
    assert np.flatnonzero(known == 1).tolist() == list(range(6, 30))
    assert np.isnan(known).sum() == 24  # of the last 24 hours the window isn't over
    assert np.isnan(known[-24:]).all()


def test_a_fall_of_exactly_the_threshold_counts_and_one_a_little_smaller_does_not():
    low = FLAT.copy()
    low[30] = 75.0  # a quarter, which has no rounding
    assert (events.labels(FLAT, low, 0.25, 0) == 1).sum() == 24
    assert (events.labels(FLAT, low, 0.2501, 0) == 1).sum() == 0


@pytest.mark.parametrize("lead", [-24, 0, 24, 40])
def test_lead_moves_the_label_and_the_close_it_is_measured_from(lead):
    known = events.labels(FLAT, DIPPED, 0.07, lead)
    hours = [hour - lead for hour in range(6, 30)]
    assert np.flatnonzero(known == 1).tolist() == [hour for hour in hours if hour >= 0]


def test_equal_weight_is_bought_in_equal_shares_at_the_close():
    """One asset falls by 18 % from its close, the other by 0: together 9 %, whatever their prices are."""
    close = np.column_stack([np.full(80, 10.0), np.full(80, 50_000.0)])
    low = close.copy()
    low[30, 0] = 8.2
    assert events.depth(close, low)[30] == pytest.approx(-0.09)
    assert (events.labels(close, low, 0.0899, 0) == 1).sum() == 24
    assert (events.labels(close, low, 0.0901, 0) == 1).sum() == 0


def test_depth_is_below_the_highest_close_of_the_day_before():
    """Up from 100 to 110 at hour 20, then a low of 99 at hour 25: 10 % below 110, not 1 % below 100."""
    close = FLAT.copy()
    close[20:] = 110.0
    low = close.copy()
    low[25] = 99.0
    assert events.depth(close, low)[25] == pytest.approx(-0.1)


def test_a_missing_bar_makes_no_calm_but_hides_no_fall():
    """The bar of hour 40 is missing. Where it lies in the window nothing is known, but the low of hour 30 is."""
    low = DIPPED.copy()
    low[40] = np.nan
    known = events.labels(FLAT, low, 0.07, 0)
    assert np.flatnonzero(known == 1).tolist() == list(range(6, 30))
    assert np.isnan(known[30:40]).all()
    assert (known[40:56] == 0).all()


def test_falls_that_lie_at_most_a_day_apart_are_one_event():
    deep = np.zeros(200)
    deep[[10, 12, 36]] = [-0.08, -0.09, -0.07]  # 24 hours from 12 to 36
    deep[61] = -0.2  # 25 hours later
    assert events.events(deep, 0.07) == [Event(10, 36, 12, -0.09), Event(61, 61, 61, -0.2)]


def test_false_alarms_and_missed_events_are_counted():
    """Alarms: hours 10-12 (24 h before the event of 36: right), 100 (25 h after its end at 75: false), 300 with a hole
    of 24 h to 324 (one alarm, false). The event of 250 has no alarm within 24 h: missed."""
    is_on = np.zeros(400, dtype=bool)
    is_on[[10, 11, 12, 100, 300, 324]] = True
    of_events = [Event(36, 75, 40, -0.1), Event(250, 250, 250, -0.1)]
    assert events.alarms(is_on, of_events) == {"hours": 6, "alarms": 3, "false_alarms": 2, "missed_events": 1}


def test_spans_of_two_markets_that_touch_are_one():
    assert events.merged([(100, 110), (5, 20), (44, 60), (12, 15)]) == [(5, 60), (100, 110)]


grids = st.lists(st.floats(50, 150), min_size=60, max_size=120)


@settings(max_examples=50, deadline=None)
@given(grids, st.integers(1, 48), st.sampled_from([-24, 0, 24]), st.integers(0, 1000))
def test_later_hours_never_change_a_known_label(closes, cut, lead, seed):
    close = np.array(closes)[:, None]
    low = close * (1 - np.random.default_rng(seed).uniform(0, 0.1, close.shape))
    until, whole = (events.labels(close[:end], low[:end], 0.07, lead) for end in (len(close) - cut, len(close)))
    is_known = ~np.isnan(until)
    is_zero_or_later = until[is_known] == whole[: len(until)][is_known]
    assert is_zero_or_later.all()


@settings(max_examples=50, deadline=None)
@given(grids, st.integers(0, 1000))
def test_deep_hours_are_those_that_make_labels(closes, seed):
    close = np.array(closes)[:, None]
    low = close * (1 - np.random.default_rng(seed).uniform(0, 0.1, close.shape))
    is_deep = events.depth(close, low) <= -0.07
    is_label = events.labels(close, low, 0.07, 0) == 1
    assert is_deep.any() == is_label.any()
    for hour in np.flatnonzero(is_label):
        assert is_deep[hour + 1 : hour + 25].any()
