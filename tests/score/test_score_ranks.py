"""Ranks: how a value stands among the strictly earlier ones of its window, and when that is history enough."""

import numpy as np
import pytest
from frames import WARM_UP_DAYS, WARM_UP_HOURS, spread
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.score import ranks
from orchestration.score.parts import INSUFFICIENT_HISTORY, KNOWN, MISSING

SOME_VALUES = st.lists(st.one_of(st.integers(0, 5).map(float), st.just(np.nan)), min_size=1, max_size=60)


@settings(max_examples=50, deadline=None)
@given(SOME_VALUES)
def test_a_rank_is_the_mid_rank_among_strictly_earlier_values(values):
    values = np.array(values)
    for hour, rank in enumerate(ranks.mid_ranks(values)):
        earlier = values[:hour][~np.isnan(values[:hour])]
        if np.isnan(values[hour]) or not len(earlier):
            assert np.isnan(rank)
        else:
            expected = ((earlier < values[hour]).sum() + (earlier == values[hour]).sum() / 2) / len(earlier)
            assert rank == pytest.approx(expected, abs=1e-12)
            assert ranks.mid_rank_of(values[hour], values, hour) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(SOME_VALUES)
def test_a_rank_rises_with_its_value(values):
    values = np.array([1.0, *values, 0.0])
    found = [ranks.mid_rank_of(value, values, len(values) - 1) for value in (0.0, 2.5, 3.0, 9.0)]
    assert found == sorted(found)


def test_history_begins_to_count_when_it_is_warm():
    its = ranks.ranks_of_series(spread(WARM_UP_HOURS + 1), WARM_UP_DAYS)
    assert np.isnan(its.rank).tolist() == [True] * WARM_UP_HOURS + [False]
    assert its.cause.tolist() == [INSUFFICIENT_HISTORY] * WARM_UP_HOURS + [KNOWN]
    assert its.hours[-1] == WARM_UP_HOURS


def test_nine_tenths_of_the_window_must_be_there():
    for missing, is_ranked in ((33, True), (34, False)):  # of 336 earlier hours, of which the first is there
        values = spread(WARM_UP_HOURS + 1)
        values[10 : 10 + missing] = np.nan
        assert np.isfinite(ranks.ranks_of_series(values, WARM_UP_DAYS).rank[-1]) == is_ranked


def test_a_window_reaches_back_730_days():
    values = np.ones(730 * 24 + 2)
    values[0], values[-2:] = 5, 3
    found, earlier = ranks.mid_ranks(values), 730 * 24
    assert found[-2] == (earlier - 1) / earlier  # 730 days after the 5, which is above the 3
    assert found[-1] == (earlier - 1 + 0.5) / earlier  # an hour later the 5 is out, and the hour before equals


def test_what_is_not_there_or_not_finite_is_missing():
    for hole in (np.nan, np.inf):
        its = ranks.ranks_of_series(np.array([*spread(WARM_UP_HOURS), hole]), WARM_UP_DAYS)
        assert (np.isnan(its.rank[-1]), its.cause[-1]) == (True, MISSING)
