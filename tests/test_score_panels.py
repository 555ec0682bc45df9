"""Ranks among a panel's own past: whom a panel has, what its value is ranked among, and how a short hole is filled."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markets import HOURS, LONG_AGO, START, WARM_UP_DAYS, WARM_UP_HOURS, history, instrument, scores_of_btc

from orchestration.score import measures, panels, ranks
from orchestration.score.parts import KNOWN, TOO_MANY_PANELS


def mid_rank(values: pd.Series, at: pd.Timestamp) -> float:
    """The definition, word by word, for one hour of one series; NaN where there is none."""
    earlier = values[(values.index < at) & (values.index >= at - pd.Timedelta(days=730))].dropna()
    span_hours = (at - earlier.index[0]) / pd.Timedelta(hours=1) if len(earlier) else 0
    if np.isnan(values[at]) or span_hours < WARM_UP_HOURS or len(earlier) < 0.9 * span_hours:
        return np.nan
    return ((earlier < values[at]).sum() + 0.5 * (earlier == values[at]).sum()) / len(earlier)


# Ranks


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_rank_is_the_mid_rank_among_strictly_earlier_hours(seed):
    random = np.random.default_rng(seed)
    values = random.integers(0, 9, WARM_UP_HOURS + 30).astype(float)
    values[random.random(len(values)) < 0.08] = np.nan
    series = pd.Series(values, pd.date_range(START, periods=len(values), freq="h"))
    expected = [mid_rank(series, hour) for hour in series.index[-40:]]
    np.testing.assert_allclose(ranks.ranks_of_series(values, WARM_UP_DAYS).rank[-40:], expected, rtol=1e-12)


def test_window_reaches_back_730_days():
    values = np.ones(730 * 24 + 2)
    values[0], values[-2:] = 5, 3
    earlier = 730 * 24
    # 730 days after the 5, which is above the 3; an hour later the 5 is out, and the hour before equals.
    assert ranks.ranks_of_series(values, 180).rank[-2:].tolist() == [(earlier - 1) / earlier, (earlier - 0.5) / earlier]


def test_history_begins_to_count_when_it_is_warm():
    whole = ranks.ranks_of_series(history(WARM_UP_HOURS + 1), WARM_UP_DAYS)
    assert np.isnan(whole.rank).tolist() == [True] * WARM_UP_HOURS + [False]


@pytest.mark.parametrize(("missing", "is_ranked"), [(33, True), (34, False)])
def test_nine_tenths_of_the_window_must_be_there(missing, is_ranked):
    values = history(WARM_UP_HOURS + 1)  # of 336 earlier hours, of which the first is there
    values[10 : 10 + missing] = np.nan
    assert np.isnan(ranks.ranks_of_series(values, WARM_UP_DAYS).rank[-1]) != is_ranked


# Panels


def test_a_declared_change_of_nature_moves_no_rank():
    values = history(HOURS + 400)
    changes = np.arange(len(values)) > HOURS
    then = pd.Timestamp(START + pd.Timedelta(hours=HOURS))
    bybit = instrument(values, "bybit:BTC", long_usd=np.where(changes, 10.0, 1.0))  # ten times of what it was
    bybit.loc[changes, "epoch_at"] = then
    declared = scores_of_btc(values, instrument(values), bybit)
    undeclared = scores_of_btc(values, instrument(values), bybit.assign(epoch_at=LONG_AGO))
    alone = scores_of_btc(values, instrument(values))
    panel, after = declared["liquidations_panel"], slice(HOURS + 24, None)
    assert undeclared["liquidations_rank"][after].mean() > 0.8
    difference = (declared["liquidations_rank"] - alone["liquidations_rank"]).abs()
    assert difference[after].max() < 0.05  # what a shorter history ranks otherwise, once it is back
    assert difference[after][panel.str.len() == 1].max() == 0
    assert panel[HOURS] == ["bybit:BTC", "gate:BTC"]
    assert panel[HOURS + 24] == ["gate:BTC"]
    # It comes back when its new nature has a warm-up of its own.
    assert panel.iloc[-1] == ["bybit:BTC", "gate:BTC"]


def panel_of(measure, *instruments: pd.DataFrame) -> panels.PanelRanks:
    """The ranks of one measure of BTC, with the panels that they are taken on."""
    frame = pd.concat(instruments)
    hours = pd.date_range(frame["as_of"].min(), frame["as_of"].max(), freq="h")
    months = (hours.year * 12 + hours.month).to_numpy()
    return measure(measures.on_grid(frame, hours), ["BTC"], WARM_UP_DAYS, months)["BTC"]


def test_a_value_is_ranked_among_the_same_panels_earlier_values():
    random, hours = np.random.default_rng(7), WARM_UP_HOURS * 2
    levels = {"bybit:BTC": 1, "gate:BTC": 10, "okx:BTC": 100}  # so different that a change of panel would show
    closed = {name: random.random(hours) * level for name, level in levels.items()}
    for figures in closed.values():
        figures[random.random(hours) < 0.03] = np.nan
    starts = {"open_interest_24h_ago_usd": 1.0}
    found = panel_of(
        measures.open_interest_24h,
        *(instrument(figures, name, closed_24h_usd=figures, **starts) for name, figures in closed.items()),
    )
    wide = pd.DataFrame(closed, pd.date_range(START, periods=hours, freq="h"))
    panels_seen = set()
    for at in range(hours - 60, hours):
        panel = wide.columns[wide.iloc[at].notna()]
        of_panel = wide[panel].sum(axis=1, skipna=False) / len(panel)
        assert found.rank[at] == pytest.approx(mid_rank(of_panel, wide.index[at]))
        assert found.value[at] == pytest.approx(of_panel.iloc[at])
        panels_seen.add(tuple(panel))
    assert len(panels_seen) > 1


def test_an_exchange_that_falls_silent_moves_no_rank_of_open_interest_or_funding():
    values = history(HOURS + 100)
    is_silent = np.arange(len(values)) >= HOURS
    gone = dict.fromkeys(("closed_24h_usd", "closed_28d_usd", "funding_rate_annualised"), np.nan)
    loud = instrument(values, "bybit:BTC", closed_24h_usd=24 + 24 * 24 / values, closed_28d_usd=values + 9)
    loud = loud.assign(funding_rate_annualised=9 * loud["funding_rate_annualised"])
    silent = loud.assign(**{name: loud[name].mask(is_silent) for name in gone})
    alone, panel = scores_of_btc(values, instrument(values)), scores_of_btc(values, instrument(values), silent)
    for part in ("open_interest", "funding"):
        difference = (panel[f"{part}_rank"] - alone[f"{part}_rank"])[is_silent].abs()
        assert difference.max() < 1e-9


def test_the_youngest_is_left_out_where_the_joint_history_is_too_short():
    values = history()
    of_30_d, of_15_d = instrument(values, "okx:BTC").tail(30 * 24), instrument(values, "bybit:BTC").tail(15 * 24 - 1)
    panel = scores_of_btc(values, instrument(values), of_30_d, of_15_d)["liquidations_panel"]
    assert panel.iloc[-1] == ["gate:BTC", "okx:BTC"]  # bybit's sums of 24 h begin 14 days less a day and 2 h ago
    assert panel.iloc[-30 * 24 + WARM_UP_HOURS] == ["gate:BTC"]
    assert panel.iloc[WARM_UP_HOURS] == []  # the first sum of 24 h is 22 h younger than that


def test_of_exchanges_whose_joint_history_is_too_short_one_is_left_out_and_not_the_part():
    values = history()
    of_10_d = instrument(values, "bybit:BTC").tail(10 * 24)
    row = scores_of_btc(values, instrument(values), of_10_d).iloc[-1]
    assert row["liquidations_panel"] == ["gate:BTC"]
    assert row["liquidations_rank"] == scores_of_btc(values)["liquidations_rank"].iloc[-1]


def test_sampled_feeds_stand_in_only_where_no_feed_reports_everything():
    values = history()
    sampled = instrument(values, "okx:BTC", "sampled")
    together = scores_of_btc(values, instrument(values), sampled).iloc[-1]
    assert (together["liquidations_panel"], together["liquidations_completeness"]) == (["gate:BTC"], "complete")
    silent = instrument(values).head(HOURS - 30)
    outage = scores_of_btc(values, silent, sampled).iloc[-1]  # an outage must not swap one nature for the other
    assert outage["liquidations_panel"] == []
    assert np.isnan(outage["liquidations_rank"])
    alone = scores_of_btc(values, sampled).iloc[-1]
    assert (alone["liquidations_panel"], alone["liquidations_completeness"]) == (["okx:BTC"], "sampled")


def test_the_number_of_panels_is_bounded(monkeypatch):
    computed = []
    monkeypatch.setattr(panels, "mid_ranks", lambda values: computed.append(1) or ranks.mid_ranks(values))
    monkeypatch.setattr(panels, "MOST_PANELS_A_MONTH", 3)
    random, values = np.random.default_rng(2), history()
    flickering = [instrument(values, f"{name}:BTC") for name in ("binance", "bybit", "gate", "okx")]
    for its in flickering:
        its.loc[random.random(HOURS) < 0.05, "closed_24h_usd"] = np.nan
    found = panel_of(measures.open_interest_24h, *flickering)
    months = 2  # in 1,000 hours
    assert 1 < len(computed) <= 3 * months
    assert (found.cause == TOO_MANY_PANELS).any()
    assert (found.cause[:HOURS] == KNOWN).sum() > 400
    reasons = scores_of_btc(values, *flickering)["reason"]
    assert reasons.str.contains("too many panels: open_interest").any()


# Holes


def with_a_hole(hours: int, exchange: str = "bybit", at: int = HOURS - 3, **others) -> list[pd.DataFrame]:
    """Gate, and bybit with three times its liquidations but for a hole."""
    frames = {
        "gate": instrument(history(), long_usd=1.0),
        "bybit": instrument(history(), "bybit:BTC", long_usd=3.0),
    }
    its = frames[exchange]
    is_hole = (its.index >= at) & (its.index < at + hours)
    its.loc[is_hole, ["long_usd", "completeness", "epoch_at"]] = [np.nan, None, pd.NaT]
    return list(frames.values())


def test_up_to_three_missing_hours_are_filled_by_what_the_others_saw_and_bounded():
    frames = with_a_hole(3)
    frames[0].loc[frames[0].index[-2], "long_usd"] = 7.0  # the others' own hour counts, not their mean
    row = scores_of_btc(history(), *frames).iloc[-1]
    weight = sum(its["open_interest_24h_ago_usd"].iloc[-1] for its in frames)
    seen, filled = 23 * 1 + 7 + 21 * 3, 3 * (1 + 7 + 1)
    assert row["liquidations_panel"] == ["bybit:BTC", "gate:BTC"]
    assert row["liquidations_ratio"] == pytest.approx((seen + filled) / weight)
    assert row["filled_hours"] == 3
    assert "filled hours: liquidations" in row["reason"]
    found = panel_of(measures.liquidations, *frames)
    earlier = (24 * 1 + 24 * 3) / (2 * 24) * history()[23:-1]
    for rank, times in ((found.low, 0), (found.rank, 1), (found.high, 4)):
        # The hours of the hole itself are filled, too, but too few to shift a rank by a hundredth.
        assert rank[-1] == pytest.approx(np.mean(earlier < (seen + times * filled) / weight), abs=0.01)
    assert found.low[-1] < found.rank[-1] < found.high[-1]


def test_the_upper_bound_of_a_filled_hour_is_at_least_the_mean_hour_of_whoever_lacks_it():
    frames = with_a_hole(1)
    frames[0].loc[frames[0].index[-3], "long_usd"] = 0.0  # three times nothing, and four times that: still nothing
    found = panel_of(measures.liquidations, *frames)
    weight = sum(its["open_interest_24h_ago_usd"].iloc[-3] for its in frames)
    earlier = (24 * 1 + 24 * 3) / (2 * 24) * history()[23:-3]
    assert found.value[-3] == pytest.approx((23 * 1 + 23 * 3) / weight)
    assert found.rank[-3] == found.low[-3]
    assert found.high[-3] == pytest.approx(np.mean(earlier < (23 * 1 + 24 * 3) / weight))


def test_filled_hours_enter_the_bounds_and_the_score_takes_what_is_filled():
    row = scores_of_btc(history(), *with_a_hole(3)).iloc[-1]
    whole = scores_of_btc(history(), *with_a_hole(0)).iloc[-1]
    assert row["liquidations_contribution"] == pytest.approx(whole["liquidations_contribution"], abs=0.2)
    assert row["score_low"] < whole["score_low"] < whole["score_high"] < row["score_high"]


def test_four_missing_hours_of_24_leave_the_panel():
    panel = scores_of_btc(history(), *with_a_hole(4, at=HOURS - 30))["liquidations_panel"]
    filled = scores_of_btc(history(), *with_a_hole(3, at=HOURS - 30))["liquidations_panel"]
    both, rest = ["bybit:BTC", "gate:BTC"], ["gate:BTC"]
    assert panel[HOURS - 28] == both  # three of them so far
    assert [panel[hour] for hour in (HOURS - 27, HOURS - 7)] == [rest, rest]
    assert panel[HOURS - 6] == both  # the first of them is 24 h old, so three are left
    assert all(members == both for members in filled.tail(40))


def test_an_hour_that_nobody_saw_is_not_filled():
    at = HOURS - 3
    hole = with_a_hole(1, "gate", at)[:1] + with_a_hole(1, "bybit", at)[1:]
    row = scores_of_btc(history(), *hole).iloc[-1]
    assert np.isnan(row["liquidations_rank"])
    assert row["liquidations_panel"] == []
    assert row["reason"].startswith("missing: liquidations")


def test_a_single_exchange_has_no_other_to_be_filled_from():
    row = scores_of_btc(history(), *with_a_hole(1, "gate")[:1]).iloc[-1]
    assert np.isnan(row["liquidations_rank"])
