"""Panels: a value is ranked among what the same members gave before, so that who comes or goes is no stress."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from frames import START, WARM_UP_DAYS, WARM_UP_HOURS, instrument, spread
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.score import measures, panels
from orchestration.score.parts import INSUFFICIENT_HISTORY, KNOWN, MISSING, TOO_MANY_PANELS
from orchestration.score.ranks import history, mid_ranks

HOURS = WARM_UP_HOURS + 200
ONE_MONTH = np.zeros(HOURS, dtype="int64")


def every_hour(hours: int) -> panels.Asked:
    """All of one month."""
    return panels.Asked(WARM_UP_DAYS, np.zeros(hours, dtype="int64"), np.full(hours, True))


def ranked(figures: np.ndarray, months: np.ndarray = ONE_MONTH) -> panels.PanelRanks:
    """Ranks of the sum of whoever is there; a column is a member, NaN where it is not."""
    is_present = ~np.isnan(figures)

    def total(columns: np.ndarray) -> panels.Series:
        value = figures[:, columns].sum(axis=1)
        return panels.Series(value, value, value, np.zeros(len(value), dtype="int64"))

    members = panels.Members(is_present, np.zeros_like(is_present), total)
    asked = panels.Asked(WARM_UP_DAYS, months, np.full(len(figures), True))
    return panels.panel_ranks(members, np.arange(figures.shape[1]), asked)


def two_members() -> np.ndarray:
    """One that is always there, and one a hundred times as large."""
    return np.column_stack([spread(HOURS), 100 * spread(HOURS)[::-1]])


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_a_value_is_ranked_among_the_earlier_values_of_the_same_members(seed):
    random = np.random.default_rng(seed)
    figures = random.random((HOURS, 3)) * [1, 10, 100]
    figures[random.random((HOURS, 3)) < 0.01] = np.nan  # so few that the joint history is always enough
    found = ranked(figures)
    for hour in range(HOURS - 40, HOURS):
        there = ~np.isnan(figures[hour])
        of_panel = figures[:, there].sum(axis=1)
        earlier = of_panel[:hour][~np.isnan(of_panel[:hour])]
        if there.any():
            assert found.rank[hour] == pytest.approx(np.mean(earlier < of_panel[hour]))
            assert found.members[hour] == tuple(np.flatnonzero(there))


def test_a_panel_is_computed_once_however_many_ways_lead_to_it(monkeypatch):
    taken = Counter()
    monkeypatch.setattr(panels, "history", lambda present: taken.update([present.tobytes()]) or history(present))
    random = np.random.default_rng(5)
    figures = random.random((HOURS, 6))
    figures[random.random((HOURS, 6)) < 0.05] = np.nan  # so many that all six have too little joint history
    found = ranked(figures)
    assert {len(members) for members in found.members[WARM_UP_HOURS + 20 :] if members} <= {1, 2, 3}
    # Once for who was there and once for what the panel was worth, which are the same hours here.
    assert max(taken.values()) <= 2
    assert len(taken) > 10


def test_an_exchange_that_falls_silent_moves_no_rank_of_open_interest_or_funding():
    hours = 1_100
    values, is_silent = spread(hours), np.arange(hours) >= 1_000
    loud = instrument(values[::-1], exchange="okx", size=100.0)
    for column in ("closed_24h_usd", "closed_28d_usd", "funding_rate_annualised"):
        loud[column] = loud[column].mask(is_silent)
    at = pd.date_range(START, periods=hours, freq="h")
    for measure in (measures.open_interest_24h, measures.open_interest_28d, measures.funding_dislocation):
        alone, both = (
            measure(measures.on_grid(frame, at), ["BTC"], every_hour(hours))["BTC"].rank
            for frame in (instrument(values), pd.concat([instrument(values), loud]))
        )
        assert np.abs(both - alone)[is_silent].max() == 0
        assert np.abs(both - alone)[~is_silent & ~np.isnan(both)].mean() > 0.1


def test_a_member_that_drops_out_leaves_the_ranks_of_the_others_own_history():
    figures = two_members()
    figures[-10:, 1] = np.nan
    found = ranked(figures)
    assert found.members[-11] == (0, 1)
    assert found.members[-10:].tolist() == [(0,)] * 10
    assert found.rank[-11] == mid_ranks(figures.sum(axis=1))[-11]
    assert found.rank[-10:].tolist() == mid_ranks(figures[:, 0])[-10:].tolist()


def test_a_member_joins_when_it_is_warm_and_with_its_own_past():
    figures = two_members()
    figures[:100, 1] = np.nan
    found = ranked(figures)
    assert found.members[100 + WARM_UP_HOURS - 1] == (0,)
    assert found.members[100 + WARM_UP_HOURS] == (0, 1)
    assert found.rank[-1] == mid_ranks(figures.sum(axis=1))[-1]  # NaN, before the second was there
    assert found.hours[-1] == HOURS - 1 - 100


def test_the_member_with_the_most_holes_is_left_out_rather_than_the_measure():
    figures = np.column_stack([two_members(), spread(HOURS)])
    figures[:-1:5, 2] = np.nan  # a fifth of its past
    found = ranked(figures)
    assert found.members[-1] == (0, 1)
    assert found.cause[-1] == KNOWN


def test_the_youngest_member_is_left_out_where_the_joint_history_is_short():
    figures = two_members()
    figures[: WARM_UP_HOURS + 100, 0] = np.nan  # the second is alone for long, and both are there for 100 hours
    found = ranked(figures)
    assert found.members[-1] == (1,)


def test_nobody_there_is_missing_and_nobody_warm_is_insufficient_history():
    figures = two_members()
    figures[-1] = np.nan
    assert ranked(figures).cause[-1] == MISSING
    assert ranked(two_members()).cause[WARM_UP_HOURS - 1] == INSUFFICIENT_HISTORY


def test_a_month_has_so_many_panels_and_what_comes_later_in_it_no_rank(monkeypatch):
    monkeypatch.setattr(panels, "MOST_PANELS_A_MONTH", 2)
    figures = np.column_stack([two_members(), spread(HOURS)])
    figures[-20:-10, 1] = np.nan
    figures[-10:, 2] = np.nan  # the third panel
    months = np.zeros(HOURS, dtype="int64")
    found = ranked(figures, months)
    assert found.cause[-15] == KNOWN
    assert found.cause[-10:].tolist() == [TOO_MANY_PANELS] * 10
    months[-5:] = 1
    assert ranked(figures, months).cause[-5:].tolist() == [KNOWN] * 5


def of_liquidations(*instruments: pd.DataFrame) -> panels.PanelRanks:
    frame = pd.concat(instruments)
    hours = pd.date_range(START, frame["as_of"].max(), freq="h")
    return measures.liquidations(measures.on_grid(frame, hours), ["BTC"], every_hour(len(hours)))["BTC"]


@pytest.fixture
def gate() -> pd.DataFrame:
    return instrument(spread(HOURS), exchange="gate")


@pytest.fixture
def okx(gate) -> pd.DataFrame:
    """Three times gate, hour by hour."""
    return instrument(spread(HOURS), exchange="okx", size=3.0)


def without_liquidations(frame: pd.DataFrame, hours: list[int]) -> pd.DataFrame:
    holes = np.asarray(hours) % len(frame)
    return frame.assign(
        **{name: frame[name].mask(frame.index.isin(holes)) for name in ("long_usd", "completeness", "epoch_at")}
    )


def test_a_declared_change_of_nature_moves_no_rank(gate, okx):
    """From an hour on the feed reports all of what it gave a tenth of: an epoch, which is a member of its own."""
    began = START + pd.Timedelta(hours=WARM_UP_HOURS + 50)
    throttled = okx["as_of"] <= began
    okx = okx.assign(
        long_usd=okx["long_usd"].where(~throttled, okx["long_usd"] / 10),
        completeness=np.where(throttled, "sampled", "complete"),
        epoch_at=okx["epoch_at"].where(throttled, began),
    )
    both, alone = of_liquidations(gate, okx), of_liquidations(gate)
    assert both.rank[WARM_UP_HOURS + 30 :].tolist() == alone.rank[WARM_UP_HOURS + 30 :].tolist()


def test_a_short_hole_is_filled_by_the_others_at_their_ratio(gate, okx):
    hours = gate["long_usd"].iloc[-24:].nlargest(3).index.tolist()  # above the mean, which bounds small fills
    whole, holed = of_liquidations(gate, okx), of_liquidations(gate, without_liquidations(okx, hours))
    assert holed.filled_hours[-1] == 3
    assert holed.value[-1] == pytest.approx(whole.value[-1], rel=1e-12)  # okx is always three times gate
    of_gate = gate["long_usd"].rolling(24).sum().dropna()
    lacking = gate["long_usd"][hours].sum() * 3 / 4  # of open interest of 4
    for bound, ratio in (("low", of_gate.iloc[-1] - lacking), ("high", of_gate.iloc[-1] + 3 * lacking)):
        assert getattr(holed, bound)[-1] == pytest.approx((of_gate.iloc[:-1] < ratio).mean(), abs=1e-9)
    assert holed.low[-1] < holed.rank[-1] < holed.high[-1]


def test_where_the_others_saw_nothing_the_mean_hour_bounds_the_fill(gate, okx):
    quiet = gate.assign(long_usd=gate["long_usd"].where(gate.index < HOURS - 1, 0))
    found = of_liquidations(quiet, without_liquidations(okx, [-1]))
    ratio = (4 * quiet["long_usd"].iloc[-24:].sum() + 4 * okx["long_usd"].iloc[:-1].mean()) / 4
    earlier = gate["long_usd"].rolling(24).sum().dropna().iloc[:-1]
    assert found.value[-1] == pytest.approx(quiet["long_usd"].iloc[-24:].sum())
    assert found.high[-1] == pytest.approx((earlier < ratio).mean(), abs=1e-9)
    assert found.low[-1] == found.rank[-1] < found.high[-1]


def test_a_longer_hole_leaves_the_panel(gate, okx):
    found = of_liquidations(gate, without_liquidations(okx, [-1, -4, -9, -10]))
    assert (found.filled_hours[-1], len(found.members[-1])) == (0, 1)
    assert found.rank[-1] == of_liquidations(gate).rank[-1]


def test_an_hour_that_nobody_saw_is_not_filled(gate, okx):
    found = of_liquidations(without_liquidations(gate, [-3]), without_liquidations(okx, [-3]))
    assert (np.isnan(found.rank[-1]), found.cause[-1]) == (True, MISSING)


def test_sampled_feeds_stand_in_only_where_no_other_panel_was_ranked_for_28_days(gate, okx):
    sampled = okx.assign(completeness="sampled")
    assert of_liquidations(sampled).cause[-1] == KNOWN
    dark = without_liquidations(gate, [-1, -2, -3, -4])
    assert of_liquidations(dark, sampled).cause[-1] == MISSING
