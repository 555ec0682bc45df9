"""The score: point-in-time ranks, contributions that add up, honest bounds, and regimes that don't flicker."""

import json
from decimal import Decimal

import jsonschema
import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from open_data_contract_standard.model import OpenDataContractStandard

from orchestration import contracts, stress

START = pd.Timestamp("2025-01-01")
WARM_UP_DAYS = 14
WARM_UP_HOURS = WARM_UP_DAYS * 24


def market(values: list | np.ndarray, asset: str = "BTC", share: float | None = 1.0, **columns) -> pd.DataFrame:
    """One asset's hourly measures, all of them `values` unless a column is given."""
    hours = pd.date_range(START, periods=len(values), freq="h", unit="us")
    frame = pd.DataFrame({"as_of": hours, "asset": asset} | dict.fromkeys(stress.MEASURES, np.asarray(values, float)))
    return frame.assign(open_interest_share=share, **columns)


def history(hours: int = WARM_UP_HOURS) -> np.ndarray:
    """Values spread evenly over (0, 1), so that a value v that comes next ranks at about v."""
    return (np.random.default_rng(1).permutation(hours) + 0.5) / hours


def scores_of(*frames: pd.DataFrame) -> pd.DataFrame:
    return stress.market_stress(pd.concat(frames), WARM_UP_DAYS)


def random_market(seed: int, hours: int = WARM_UP_HOURS + 60) -> pd.DataFrame:
    """Two assets and ALL with ties, missing figures and missing rows."""
    random = np.random.default_rng(seed)
    frames = []
    for asset, share in (("ALL", None), ("BTC", 0.7), ("ETH", 0.3)):
        frame = market(np.zeros(hours), asset, share)
        figures = random.integers(0, random.integers(2, 30), (hours, len(stress.MEASURES))).astype(float)
        figures[random.random(figures.shape) < 0.02] = np.nan
        frame[stress.MEASURES] = figures
        frames.append(frame[random.random(hours) > 0.02])
    return pd.concat(frames).sample(frac=1, random_state=seed)


def brute_force_rank(values: pd.Series, at: pd.Timestamp) -> float | None:
    """The definition, word by word, for one hour of one measure."""
    earlier = values[(values.index < at) & (values.index >= at - pd.Timedelta(days=730))].dropna()
    if at not in values.index or np.isnan(values[at]) or earlier.empty:
        return None
    span_hours = (at - earlier.index[0]) / pd.Timedelta(hours=1)
    if span_hours < WARM_UP_HOURS or len(earlier) < 0.9 * span_hours:
        return None
    below, equal = (earlier < values[at]).sum(), (earlier == values[at]).sum()
    return (below + 0.5 * equal) / len(earlier)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10**6))
def test_rank_is_the_mid_rank_among_strictly_earlier_hours(seed):
    measures = random_market(seed)
    scores = stress.market_stress(measures, WARM_UP_DAYS).set_index(["asset", "as_of"])
    values = measures[measures["asset"] == "ETH"].set_index("as_of").sort_index()
    for hour in values.index[-12:]:
        row = scores.loc["ETH", hour]
        for part, names in (("volatility", ["volatility_24h"]), ("downside", stress.PARTS["downside"][1])):
            expected = [brute_force_rank(values[name], hour) for name in names]
            if None in expected:
                assert np.isnan(row[f"{part}_rank"])
            else:
                assert row[f"{part}_rank"] == pytest.approx(sum(expected) / len(expected), abs=1e-12)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10**6), st.integers(WARM_UP_HOURS - 5, WARM_UP_HOURS + 60))
def test_later_rows_change_no_earlier_score(seed, hours):
    measures = random_market(seed)
    until = START + pd.Timedelta(hours=hours)
    whole = stress.market_stress(measures, WARM_UP_DAYS)
    early = stress.market_stress(measures[measures["as_of"] <= until], WARM_UP_DAYS)
    pd.testing.assert_frame_equal(whole[whole["as_of"] <= until].reset_index(drop=True), early)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10**6))
def test_contributions_add_up_exactly_as_displayed_and_bounds_hold(seed):
    scores = stress.market_stress(random_market(seed), WARM_UP_DAYS)
    assert scores["score"].notna().any()
    for row in scores.to_dict("records"):
        known = [part for part in stress.PARTS if not np.isnan(row[f"{part}_rank"])]
        missing_points = sum(stress.PARTS[part][0] for part in stress.PARTS if part not in known)
        shown = [Decimal(f"{row[f'{part}_contribution']:.2f}") for part in known]
        assert sum(shown) == Decimal(f"{row['score_low']:.2f}")
        assert row["score_high"] == pytest.approx(row["score_low"] + missing_points)
        assert np.isnan(row["score"]) == (missing_points > 10)
        assert np.isnan(row["score"]) or row["score"] == row["score_low"]
        exact = sum(stress.PARTS[part][0] * row[f"{part}_rank"] for part in known)
        assert row["score_low"] == pytest.approx(exact, abs=0.005001)
        for part, points in zip(known, shown, strict=True):
            assert abs(float(points) - stress.PARTS[part][0] * row[f"{part}_rank"]) < 0.01


def test_largest_remainders_get_the_hundredths():
    ranks = np.array([[1 / 3, 1 / 3, 1 / 3, 0, 0, 0]])  # 6.666... three times: 20.00 in all, not 3 x 6.67 or 3 x 6.66
    points = stress._points(ranks).loc[0]
    assert [points[f"{part}_contribution"] for part in stress.PARTS] == [6.67, 6.67, 6.66, 0, 0, 0]
    assert points["score"] == 20


def test_rows_come_back_once_each_and_in_order():
    scores = stress.market_stress(random_market(3), WARM_UP_DAYS)
    assert scores[["as_of", "asset"]].apply(tuple, axis=1).is_monotonic_increasing
    assert len(scores) == len(random_market(3))


def test_history_begins_to_count_when_it_is_warm():
    scores = scores_of(market(history(WARM_UP_HOURS + 1)))
    assert scores["score"].notna().tolist() == [False] * WARM_UP_HOURS + [True]
    assert scores["effective_days"].tolist()[-2:] == [(WARM_UP_HOURS - 1) / 24, WARM_UP_DAYS]
    cold = scores.loc[WARM_UP_HOURS - 1]
    every_part = ", ".join(stress.PARTS)
    assert cold["reason"] == f"insufficient_history: {every_part}"
    assert (cold["score_low"], cold["score_high"]) == (0, 100)
    assert pd.isna(scores["reason"].iloc[-1])
    assert scores["effective_days"].notna().all()


def test_nine_tenths_of_the_window_must_be_there():
    for missing, is_ranked in ((33, True), (34, False)):  # of 336 earlier hours, of which the first is there
        frame = market(history(WARM_UP_HOURS + 1)).drop(index=range(10, 10 + missing))
        assert scores_of(frame)["score"].notna().iloc[-1] == is_ranked


def test_window_reaches_back_730_days():
    values = np.ones(730 * 24 + 2)
    values[0], values[-2:] = 5, 3
    ranks = stress.market_stress(market(values))["volatility_rank"].tolist()
    earlier = 730 * 24
    assert ranks[-2] == (earlier - 1) / earlier  # 730 days after the 5, which is above the 3
    assert ranks[-1] == (earlier - 1 + 0.5) / earlier  # an hour later the 5 is out, and the hour before equals


def test_a_missing_light_part_leaves_a_lower_bound():
    gap = market([*history(), 0.5], funding_dislocation=[*history(), np.nan])
    row = scores_of(gap).iloc[-1]
    assert row["reason"] == "missing: funding; the score is the lower bound"
    assert row["score"] == row["score_low"] == pytest.approx(40, abs=0.2)
    assert row["score_high"] == pytest.approx(row["score_low"] + 10)
    assert row["regime"] == "calm"
    assert np.isnan(row["funding_contribution"])


def test_a_missing_heavy_part_leaves_no_score():
    gap = market([*history(), 0.5], liquidations_ratio=[*history(), np.inf], volatility_24h=np.nan)
    row = scores_of(gap).iloc[-1]
    assert row["reason"] == "insufficient_history: volatility; missing: liquidations"
    assert np.isnan(row["score"])
    assert pd.isna(row["regime"])
    assert row["score_high"] - row["score_low"] == pytest.approx(40)


def test_a_part_of_two_measures_needs_both():
    gap = market([*history(), 0.5], downside_28d_ratio=[*history(), np.nan])
    assert np.isnan(scores_of(gap)["downside_rank"].iloc[-1])


def test_breadth_is_the_share_of_the_assets_under_stress_and_the_same_for_all():
    scores = scores_of(
        market([*history(), 0.1], "ALL", None),
        market([*history(), 0.99], "BTC", 0.6),
        market([*history(), 0.5], "ETH", 0.396),
        market([*history(), 0.99], "DUST", 0.004),
    )
    assert scores["breadth_rank"].tail(4).tolist() == [0.5] * 4


@pytest.mark.parametrize(("funding_of_eth", "breadth"), [(0.99, 1.0), (np.nan, np.nan)])
def test_breadth_is_open_where_a_missing_rank_decides(funding_of_eth, breadth):
    scores = scores_of(
        market([*history(), 0.99], "BTC", 0.6),
        market([*history(), 0.99], "ETH", 0.4, funding_dislocation=[*history(), funding_of_eth]),
    )
    assert scores["breadth_rank"].tail(2).tolist() == pytest.approx([breadth] * 2, nan_ok=True)


def test_breadth_is_known_where_a_missing_rank_does_not_matter():
    calm = market([*history(), 0.2], "ETH", 0.4, funding_dislocation=[*history(), np.nan])
    assert scores_of(market([*history(), 0.99]), calm)["breadth_rank"].tail(2).tolist() == [0.5] * 2


def test_an_asset_that_stops_reporting_does_not_leave_the_universe_at_once():
    silent = market(history(), "ETH", 0.4)
    row = scores_of(market([*history(), 0.99]), silent).iloc[-1]
    assert np.isnan(row["breadth_rank"])
    assert row["reason"] == "missing: breadth; the score is the lower bound"


def test_a_new_asset_joins_breadth_when_it_has_history():
    young = market([*history(), 0.1], "ETH", 0.4).tail(100)
    assert scores_of(market([*history(), 0.99]), young).query("asset == 'BTC'")["breadth_rank"].iloc[-1] == 1


def regimes_after(values: list[float], **columns) -> list[str]:
    long_history = history(200 * 24)  # so long that the hours under test hardly shift the ranks
    scores = stress.market_stress(
        market([*long_history, *values]).assign(**{k: [*long_history, *v] for k, v in columns.items()}), 180
    )
    return [None if pd.isna(regime) else regime for regime in scores["regime"].tail(len(values))]


CASCADE, STRESS, CALM = 0.99, 0.88, 0.3  # values that score about 99, 79 and 27


def test_a_regime_is_entered_at_once_and_left_after_48_hours_below():
    quiet = [CALM] * 48
    regimes = regimes_after([*quiet, CASCADE, *[CALM] * 47, CALM, CALM])[48:]
    assert regimes == ["cascade"] * 48 + ["calm"] * 2


def test_a_lower_regime_has_its_own_48_hours():
    regimes = regimes_after([*[CALM] * 48, CASCADE, *[CALM] * 20, STRESS, *[CALM] * 60])[48:]
    assert regimes == ["cascade"] * 48 + ["stress"] * 21 + ["calm"] * 13


def test_hours_without_a_score_hold_the_regime_and_do_not_count():
    values = [*[CALM] * 48, CASCADE, *[CALM] * 60]
    volatility = values.copy()
    volatility[59:64] = [np.nan] * 5
    regimes = regimes_after(values, volatility_24h=volatility)[48:]
    assert regimes == ["cascade"] * 11 + [None] * 5 + ["cascade"] * 37 + ["calm"] * 8


@pytest.mark.parametrize("days", [13, 731])
def test_warm_up_outside_its_limits_is_refused(days):
    with pytest.raises(ValueError, match=f"warm_up_days is {days}: choose 14 to 730"):
        stress.market_stress(market(history()), days)


def test_no_measures_make_no_scores_with_the_same_columns():
    whole = scores_of(market(history()))
    none = stress.market_stress(market(history()).iloc[:0])
    assert none.empty
    assert none.columns.tolist() == whole.columns.tolist()


def test_rows_meet_their_contract():
    scores = stress.market_stress(random_market(5), WARM_UP_DAYS)
    contracts.check_published(scores)
    assert scores.columns.tolist() == contracts.contract("market_stress").columns


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("volatility_contribution", 3.21, "contributions_add_up"),
        ("score_low", 101.0, "bounds_are_in_order"),
        ("regime", "panic", "isin"),
        ("regime", None, "regime_comes_with_score"),
        ("reason", "none", "reason_is_given_where_parts_are_missing"),
        ("score", np.nan, "score_is_given_unless_wide"),
    ],
)
def test_broken_rows_are_refused(column, value, reason):
    scores = scores_of(market([*history(), 0.5]))
    scores.loc[len(scores) - 1, column] = value
    with pytest.raises(ValueError, match="market_stress breaks its contract") as caught:
        contracts.check_published(scores)
    breaches = contracts._breaches(scores, contracts.contract("market_stress"))
    assert any(reason in breach for _, breach in breaches), caught.value


def test_contract_is_valid_odcs():
    document = yaml.safe_load((contracts.FOLDER / "market_stress.yml").read_text())
    jsonschema.validate(document, json.loads(OpenDataContractStandard.json_schema()))
    weights = [
        column["logicalTypeOptions"]["maximum"]
        for column in document["schema"][0]["properties"]
        if column["name"].endswith("_contribution")
    ]
    assert weights == [weight for weight, _ in stress.PARTS.values()]
    assert sum(weights) == 100
