"""The score: contributions that add up, honest bounds, breadth of the others, regimes that don't flicker."""

import json
from decimal import Decimal

import jsonschema
import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from markets import HOURS, START, WARM_UP_DAYS, history, instrument, prices, random_market, scores_of, scores_of_btc
from open_data_contract_standard.model import OpenDataContractStandard

from orchestration import contracts, score
from orchestration.score import first_line
from orchestration.score.parts import KNOWN, MISSING, RANKED_PARTS, Ranks

# Points and bounds


def test_a_part_of_two_measures_needs_both():
    values = history()
    gap = scores_of_btc(values, downside_28d_ratio=[*values[:-1], np.nan]).iloc[-1]
    assert np.isnan(gap["downside_rank"])
    assert gap["reason"].startswith("missing: downside, breadth")


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10**6))
def test_contributions_add_up_exactly_as_displayed_and_bounds_hold(seed):
    scores = score.market_stress(*random_market(seed), WARM_UP_DAYS)
    assert scores["score"].notna().any()
    for row in scores[scores["as_of"] > START + pd.Timedelta(hours=HOURS - 100)].to_dict("records"):
        known = [part for part in score.PARTS if not np.isnan(row[f"{part}_rank"])]
        shown = sum(Decimal(f"{row[f'{part}_contribution']:.2f}") for part in known)
        low, high = Decimal(f"{row['score_low']:.2f}"), Decimal(f"{row['score_high']:.2f}")
        assert low <= shown <= high
        assert np.isnan(row["score"]) == (high - low > 10)
        assert np.isnan(row["score"]) or Decimal(f"{row['score']:.2f}") == shown
        assert high - low >= sum(score.PARTS[part][0] for part in score.PARTS if part not in known)
        assert float(shown) == pytest.approx(
            sum(score.PARTS[part][0] * row[f"{part}_rank"] for part in known), abs=0.005001
        )
        for part in known:
            assert abs(row[f"{part}_contribution"] - score.PARTS[part][0] * row[f"{part}_rank"]) < 0.01


def line_of(low, high=None, assets=None, **missing) -> pd.DataFrame:
    """The first line of hours whose parts all rank at `low` (and at most at `high`); `missing` parts have none."""
    low = np.asarray(low, float)
    high = low if high is None else np.asarray(high, float)
    none = np.full(len(low), np.nan)
    parts = {
        part: Ranks(none, none, none, np.zeros(len(low), int), np.full(len(low), MISSING))
        if part in missing.get("parts", ())
        else Ranks(low, low, high, np.zeros(len(low), int), np.where(np.isnan(low), MISSING, KNOWN))
        for part in score.PARTS
    }
    assets = np.full(len(low), "BTC") if assets is None else np.asarray(assets)
    return first_line.first_line(parts, np.zeros(len(low), int), assets)


def test_largest_remainders_get_the_hundredths():
    thirds = line_of([1 / 3], parts=["volatility", "funding", "breadth"]).iloc[0]
    points = [thirds[f"{part}_contribution"] for part in score.PARTS][:3]
    assert points == [6.67, 6.67, 6.66]  # 6.666... three times: 20.00 in all, not 3 x 6.67 or 3 x 6.66
    assert thirds["score_low"] == 20


def test_the_score_sums_contributions_and_a_missing_part_adds_nothing():
    row = line_of([0.5], parts=["funding"]).iloc[0]
    assert (row["score"], row["score_low"], row["score_high"]) == (45, 45, 55)
    assert np.isnan(row["funding_contribution"])
    assert row["reason"] == "missing: funding; the score is the lower bound"


def test_a_missing_heavy_part_leaves_bounds_and_no_score():
    row = line_of([0.5], parts=["volatility"]).iloc[0]
    assert np.isnan(row["score"])
    assert (row["score_low"], row["score_high"]) == (40, 60)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10**6), st.integers(HOURS - 300, HOURS + 60))
def test_later_rows_change_no_earlier_score(seed, hours):
    of_prices, instruments = random_market(seed)
    until = START + pd.Timedelta(hours=hours)
    whole = score.market_stress(of_prices, instruments, WARM_UP_DAYS)
    early = score.market_stress(
        of_prices[of_prices["as_of"] <= until], instruments[instruments["as_of"] <= until], WARM_UP_DAYS
    )
    pd.testing.assert_frame_equal(whole[whole["as_of"] <= until].reset_index(drop=True), early, check_exact=True)


def test_rows_come_back_once_each_and_in_order():
    of_prices, instruments = random_market(3)
    scores = score.market_stress(of_prices, instruments, WARM_UP_DAYS)
    assert scores[["as_of", "asset"]].apply(tuple, axis=1).is_monotonic_increasing
    assert len(scores) == len(of_prices)


# Breadth


def two_assets(btc: float, eth: float, **columns_of_eth) -> pd.DataFrame:
    """The latest row of two assets whose measures end at these values, by asset, and of ALL."""
    values = {"BTC": [*history(), btc], "ETH": [*history(), eth]}
    of_prices = [prices(values["BTC"], "ALL", None)] + [prices(values[name], name, 0.5) for name in values]
    eths = instrument(values["ETH"], "gate:ETH", **columns_of_eth)
    scores = scores_of(of_prices, [instrument(values["BTC"]), eths])
    return scores.groupby("asset").last()


def test_breadth_of_an_asset_does_not_count_the_asset_itself():
    rows = two_assets(btc=0.995, eth=0.3)
    assert rows["breadth_rank"].to_dict() == {"ALL": 0.5, "BTC": 0.0, "ETH": 1.0}


def test_breadth_has_bounds_where_missing_ranks_leave_it_open():
    funding = instrument([*history(), 0.95], "gate:ETH")["funding_rate_annualised"].to_numpy(copy=True)
    funding[-1] = np.nan
    rows = two_assets(btc=0.3, eth=0.95, funding_rate_annualised=funding)  # with its funding: 0.76 to 0.96
    btc = rows.loc["BTC"]
    assert (btc["breadth_rank"], btc["breadth_contribution"]) == (0, 0)
    assert btc["score_high"] - btc["score_low"] == pytest.approx(10)  # 0 to 1 of one other asset
    assert btc["score"] == btc["score_low"]
    assert btc["reason"] == "assets without ranks: breadth; the score is the lower bound"
    assert two_assets(btc=0.3, eth=0.4, funding_rate_annualised=funding).loc["BTC", "reason"] != btc["reason"]


def test_breadth_bounds_are_shares_of_the_members():
    assets = ["BTC", "ETH", "SOL"]
    low, high = np.array([[0.95, 0.5, 0.2]]), np.array([[0.95, 0.95, 0.2]])
    part = Ranks(low, low, high, np.zeros((1, 3), int), np.full((1, 3), KNOWN))
    known = dict.fromkeys(("liquidations", "open_interest", "candles", "funding_rates"), np.array([True]))
    breadth = first_line.breadth_of(
        dict.fromkeys(RANKED_PARTS, part), assets, np.full((1, 3), 1 / 3), np.full((1, 3), True), known
    )
    assert breadth.low.tolist() == [[0, 0.5, 0.5]]
    assert breadth.high.tolist() == [[0.5, 0.5, 1]]


def test_one_asset_alone_has_no_breadth():
    row = scores_of_btc([*history(), 0.5]).iloc[-1]
    assert np.isnan(row["breadth_rank"])
    assert row["reason"] == "missing: breadth; the score is the lower bound"
    assert row["score_high"] - row["score_low"] == 10


def test_a_home_without_funding_keeps_breadth_and_a_score_and_counts_the_gap_once():
    values = [*history(), 0.97]
    of_prices = [prices(values, asset, share) for asset, share in (("ALL", None), ("BTC", 0.6), ("ETH", 0.4))]
    instruments = [instrument(values, name, funding_rate_annualised=np.nan) for name in ("gate:BTC", "gate:ETH")]
    for row in scores_of(of_prices, instruments).tail(3).to_dict("records"):
        assert row["breadth_rank"] == 1  # of the mean of the other four ranks
        assert row["score_high"] - row["score_low"] == pytest.approx(10)
        assert row["score"] == row["score_low"] > 85
        assert row["reason"] == "missing: never observed: funding; the score is the lower bound"


def test_a_dataset_counts_in_breadth_from_its_first_observation_in_the_home():
    values, funding = [*history(), 0.97, 0.97], np.full(HOURS + 2, np.nan)
    funding[-1] = 0.1
    of_prices = [prices(values, asset, share) for asset, share in (("ALL", None), ("BTC", 0.6), ("ETH", 0.4))]
    instruments = [instrument(values, name, funding_rate_annualised=funding) for name in ("gate:BTC", "gate:ETH")]
    of_all = scores_of(of_prices, instruments).query("asset == 'ALL'").tail(2)
    assert of_all["breadth_rank"].tolist() == [1, 0]
    assert of_all["reason"].tolist() == [
        "missing: never observed: funding; the score is the lower bound",
        "insufficient_history: funding; assets without ranks: breadth",
    ]


def test_an_asset_that_stops_reporting_does_not_leave_the_universe_at_once():
    values = [*history(), 0.99]
    silent = prices(values, "ETH", 0.4).head(HOURS), instrument(values, "gate:ETH").head(HOURS)
    row = scores_of([prices(values, share=0.6), silent[0]], [instrument(values), silent[1]]).iloc[-1]
    assert row["breadth_rank"] == 0
    assert row["reason"] == "assets without ranks: breadth; the score is the lower bound"


def test_dust_does_not_count_in_breadth():
    values = [*history(), 0.99]
    of_prices = [prices(values, share=0.6), prices(values, "ETH", 0.396), prices([*history(), 0.1], "DUST", 0.004)]
    instruments = [instrument(values), instrument(values, "gate:ETH"), instrument([*history(), 0.1], "gate:DUST")]
    rows = scores_of(of_prices, instruments).groupby("asset").last()
    assert rows["breadth_rank"].to_dict() == {"BTC": 1, "DUST": 1, "ETH": 1}


def test_effective_days_are_the_least_and_windows_those_of_the_slowest_measure():
    known = Ranks(*(np.array([0.5]) for _ in range(3)), np.array([272 * 24 + 5]), np.array([KNOWN]))
    days, windows = first_line.windows_of(dict.fromkeys(score.MEASURES, known))
    assert (days.tolist(), windows.tolist()) == ([272 + 5 / 24], [9])  # 28 d fit nine times into 272 d
    unknown = Ranks(*(np.array([np.nan]) for _ in range(3)), np.array([100]), np.array([MISSING]))
    slow = dict.fromkeys(score.MEASURES, known) | {name: unknown for name in score.MEASURES if "_28d_" in name}
    assert first_line.windows_of(slow)[1].tolist() == [272]


# Regimes

CASCADE, STRESS, CALM = 0.95, 0.8, 0.3


def regimes_of(low, high=None, **missing) -> list[str | None]:
    line = line_of(low, high, **missing)
    return [None if pd.isna(regime) else regime for regime in line["regime"]]


def test_a_regime_is_entered_at_once_and_left_after_48_hours_below():
    regimes = regimes_of([CALM, CASCADE, *[CALM] * 49])
    assert regimes == ["calm", *["cascade"] * 48, "calm", "calm"]


def test_a_lower_regime_has_its_own_48_hours():
    regimes = regimes_of([CASCADE, *[CALM] * 20, STRESS, *[CALM] * 60])
    assert regimes == ["cascade"] * 48 + ["stress"] * 21 + ["calm"] * 13


@pytest.mark.parametrize("threshold", [0.6, 0.75, 0.9])
def test_a_regime_is_never_asserted_across_a_threshold(threshold):
    line = line_of([CALM, threshold - 0.05, *[CALM] * 48], [CALM, threshold + 0.02, *[CALM] * 48])
    names = list(first_line.REGIMES)
    at = list(first_line.REGIMES.values()).index(round(100 * threshold))
    assert line["regime"].isna().tolist() == [False, *[True] * 48, False]
    assert line["score"].notna().all()
    assert set(line["regime_low"][1:49]) == {names[at - 1]}
    assert set(line["regime_high"][1:49]) == {names[at]}


def test_bounds_within_one_regime_assert_it_though_there_is_no_score():
    line = line_of([0.1], [0.4])
    assert line["score"].isna().all()
    assert line["regime"].tolist() == ["calm"]


def test_an_hour_without_a_ranked_part_asserts_nothing_and_does_not_count():
    regimes = regimes_of([CASCADE, *[CALM] * 10, *[np.nan] * 5, *[CALM] * 40])
    assert regimes == ["cascade"] * 11 + [None] * 5 + ["cascade"] * 37 + ["calm"] * 3


def test_regimes_of_assets_and_of_no_counted_hour_are_their_own():
    line = line_of([CASCADE, np.nan, CALM, np.nan], assets=["BTC", "ETH", "BTC", "ETH"])
    assert line["regime_low"].iloc[[0, 2]].tolist() == ["cascade", "cascade"]
    assert line[["regime", "regime_low", "regime_high"]].iloc[[1, 3]].isna().all(axis=None)
    assert line_of([np.nan])[["regime", "regime_low", "regime_high"]].isna().all(axis=None)


# The border


@pytest.mark.parametrize("days", [13, 731])
def test_warm_up_outside_its_limits_is_refused(days):
    with pytest.raises(ValueError, match=f"warm_up_days is {days}: choose 14 to 730"):
        score.market_stress(prices(history()), instrument(history()), days)


def test_no_measures_make_no_scores_with_the_same_columns():
    none = score.market_stress(prices([]), instrument([]))
    assert none.empty
    assert none.columns.tolist() == scores_of_btc(history()).columns.tolist()


def test_datasets_that_were_never_there_are_named_so():
    nothing = dict.fromkeys(
        ("open_interest_usd", "closed_24h_usd", "closed_28d_usd", "funding_rate_annualised"), np.nan
    )
    candles_alone = instrument(history(), long_usd=np.nan, **nothing)
    row = scores_of_btc(history(), candles_alone).iloc[-1]
    assert np.isnan(row["score"])
    assert row["score_high"] - row["score_low"] == pytest.approx(60)
    assert row["reason"] == "missing: breadth; missing: never observed: liquidations, open_interest, funding"


@pytest.fixture(scope="module")
def scores() -> pd.DataFrame:
    return score.market_stress(*random_market(5), WARM_UP_DAYS)


def test_rows_meet_their_contract(scores):
    contracts.check_published(scores)
    assert scores.columns.tolist() == contracts.contract("market_stress").columns


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("volatility_contribution", 3.21, "contributions_add_up"),
        ("score_low", 101.0, "bounds_are_in_order"),
        ("score", 100.0, "score_lies_within_its_bounds"),
        ("regime_low", "panic", "isin"),
        ("regime", None, "regime_is_given_where_its_bounds_agree"),
        ("regime_high", "cascade", "regime_is_given_where_its_bounds_agree"),
        ("reason", None, "reason_is_given_where_the_bounds_differ"),
        ("score", np.nan, "score_is_given_unless_wide"),
        ("liquidations_panel", [], "a_rank_of_liquidations_has_a_panel"),
    ],
)
def test_broken_rows_are_refused(column, value, reason):
    scores = scores_of_btc([*history(), *[0.3] * 48]).tail(1).reset_index(drop=True)
    scores.at[0, column] = value
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
    assert weights == [weight for weight, _ in score.PARTS.values()]
    assert sum(weights) == 100
