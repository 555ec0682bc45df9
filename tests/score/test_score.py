"""`market_stress` whole: from prices and instruments to rows that meet their contract and never change."""

import json
from decimal import Decimal

import jsonschema
import numpy as np
import pandas as pd
import pytest
import yaml
from frames import HOURS, START, WARM_UP_DAYS, instrument, market, prices, random_market, spread
from hypothesis import given, settings
from hypothesis import strategies as st
from open_data_contract_standard.model import OpenDataContractStandard

from orchestration import contracts, score

CALM, STRESSED = 0.2, 0.99


def last(frames: tuple[pd.DataFrame, pd.DataFrame]) -> pd.DataFrame:
    """The rows of the last hour, by asset."""
    scores = score.market_stress(*frames, WARM_UP_DAYS)
    return scores[scores["as_of"] == scores["as_of"].max()].set_index("asset")


def then(value: float) -> np.ndarray:
    """History enough for every measure, and a day of this value."""
    return np.array([*spread(HOURS), *[value] * 24])


def without(frames: tuple[pd.DataFrame, pd.DataFrame], asset: str, column: str, hours: int | None = None):
    """The market with a figure of the asset's instruments missing in the last hours, or in all."""
    of_prices, instruments = frames
    is_hole = instruments["asset"] == asset
    if hours is not None:
        is_hole &= instruments["as_of"] > instruments["as_of"].max() - pd.Timedelta(hours=hours)
    return of_prices, instruments.assign(**{column: instruments[column].mask(is_hole)})


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10**6), st.integers(HOURS - 60, HOURS + 60))
def test_later_rows_change_no_earlier_score(seed, hours):
    of_prices, instruments = random_market(seed)
    until = START + pd.Timedelta(hours=hours)
    whole = score.market_stress(of_prices, instruments, WARM_UP_DAYS)
    early = score.market_stress(
        of_prices[of_prices["as_of"] <= until], instruments[instruments["as_of"] <= until], WARM_UP_DAYS
    )
    expected = whole[whole["as_of"] <= until].reset_index(drop=True)
    pd.testing.assert_frame_equal(expected[early.columns], early, check_dtype=False)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10**6))
def test_rows_come_back_once_each_in_order_and_meet_their_contract(seed):
    of_prices, instruments = random_market(seed)
    scores = score.market_stress(of_prices, instruments, WARM_UP_DAYS)
    assert scores[["as_of", "asset"]].apply(tuple, axis=1).is_monotonic_increasing
    assert len(scores) == len(of_prices)
    assert scores["score"].notna().any()
    contracts.check_published("market_stress", scores)
    assert scores.columns.tolist() == contracts.contract("market_stress").columns


def test_the_score_is_what_its_ranks_weigh():
    row = last(market(BTC=then(STRESSED), ETH=then(CALM))).loc["BTC"]
    exact = sum(weight * row[f"{part}_rank"] for part, (weight, _) in score.PARTS.items())
    shown = sum(Decimal(f"{row[f'{part}_contribution']:.2f}") for part in score.PARTS)
    assert float(shown) == row["score"] == pytest.approx(exact, abs=0.00501)
    assert row["score_low"] == row["score"] == row["score_high"]
    assert row["regime"] == row["regime_low"] == row["regime_high"]
    assert (pd.isna(row["reason"]), row["filled_hours"]) == (True, 0)
    assert (row["liquidations_panel"], row["liquidations_completeness"]) == (["gate:BTC"], "complete")
    assert row["liquidations_ratio"] == pytest.approx(STRESSED)


def test_breadth_leaves_the_asset_itself_out():
    rows = last(market(BTC=then(STRESSED), ETH=then(CALM), SOL=then(CALM)))
    assert rows["breadth_rank"].to_dict() == {"ALL": 1 / 3, "BTC": 0, "ETH": 1 / 2, "SOL": 1 / 2}


def test_an_asset_that_stops_reporting_is_open_in_breadth_rather_than_calm():
    frames = market(BTC=then(STRESSED), ETH=then(STRESSED))
    of_prices, instruments = frames
    rows = last((of_prices, instruments.drop(instruments[instruments["asset"] == "ETH"].index[-8:])))
    btc = rows.loc["BTC"]
    assert (btc["breadth_rank"], btc["score_high"] - btc["score_low"]) == (0, pytest.approx(10))
    assert btc["reason"] == "assets without ranks: breadth; the score is the lower bound"


def test_a_home_that_never_had_funding_keeps_its_score_in_a_crash():
    whole = market(BTC=then(STRESSED), ETH=then(STRESSED))
    for asset in ("BTC", "ETH"):
        whole = without(whole, asset, "funding_rate_annualised")
    rows = last(whole)
    assert (rows["score_high"] - rows["score_low"]).tolist() == pytest.approx([10] * 3)
    assert (rows["score"] == rows["score_low"]).all()
    assert (rows["breadth_rank"] == 1).all()  # what was never there isn't counted against it a second time
    assert set(rows["reason"]) == {"missing: never observed: funding; the score is the lower bound"}


def test_one_asset_alone_has_no_breadth():
    row = last((prices(then(CALM)), instrument(then(CALM)))).loc["BTC"]
    assert np.isnan(row["breadth_rank"])
    assert row["reason"] == "missing: breadth; the score is the lower bound"


def test_a_filled_hour_is_said_and_bounded():
    of_prices, instruments = market(BTC=then(STRESSED), ETH=then(CALM))
    okx = instrument(then(STRESSED), "BTC", "okx", 3.0)
    frames = of_prices, pd.concat([instruments, okx], ignore_index=True)
    whole = last(frames).loc["BTC"]
    is_hole = (frames[1]["instrument"] == "okx:BTC") & (frames[1]["as_of"] == frames[1]["as_of"].max())
    holed = last((of_prices, frames[1].assign(long_usd=frames[1]["long_usd"].mask(is_hole)))).loc["BTC"]
    assert holed["filled_hours"] == 1
    assert holed["reason"] == "filled hours: liquidations"
    assert holed["liquidations_panel"] == ["gate:BTC", "okx:BTC"]
    assert holed["score_low"] < holed["score"] == whole["score"] <= holed["score_high"]


def test_independent_windows_are_those_of_the_slowest_measure():
    days = 272 * 24
    row = last((prices(spread(days + 1)), instrument(spread(days + 1)))).loc["BTC"]
    assert row["effective_days"] == pytest.approx((days - 605) / 24, abs=1)  # funding has a median after 605 hours
    assert row["independent_windows"] == 9  # of 28 days each


@pytest.mark.parametrize("days", [13, 731])
def test_warm_up_outside_its_limits_is_refused(days):
    with pytest.raises(ValueError, match=f"warm_up_days is {days}: choose 14 to 730"):
        score.market_stress(prices(spread(5)), instrument(spread(5)), days)


def test_no_prices_make_no_scores_with_the_same_columns():
    none = score.market_stress(prices(spread(5)).iloc[:0], instrument(spread(5)).iloc[:0])
    assert none.empty
    assert none.columns.tolist() == contracts.contract("market_stress").columns


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("volatility_contribution", 3.21, "contributions_add_up"),
        ("score_low", 101.0, "bounds_are_in_order"),
        ("score_low", 99.0, "score_lies_within_its_bounds"),
        ("regime", "panic", "isin"),
        ("regime", None, "regime_is_given_where_its_bounds_agree"),
        ("regime_high", "cascade", "regime_is_given_where_its_bounds_agree"),
        ("score_high", 55.0, "reason_is_given_where_bounds_differ"),
        ("score", np.nan, "score_is_given_unless_wide"),
        ("filled_hours", 25, "less_than_or_equal_to(24)"),
        ("liquidations_completeness", None, "ranked_liquidations_have_a_panel"),
    ],
)
def test_broken_rows_are_refused(column, value, reason):
    scores = score.market_stress(*market(BTC=then(CALM), ETH=then(CALM)), WARM_UP_DAYS)
    scores.loc[len(scores) - 1, column] = value
    with pytest.raises(ValueError, match="market_stress breaks its contract") as caught:
        contracts.check_published("market_stress", scores)
    breaches = contracts._breaches(scores, contracts.contract("market_stress"))
    assert any(reason in breach for _, breach in breaches), caught.value


def test_contract_is_valid_odcs():
    document = yaml.safe_load((contracts.FOLDER / "market_stress.yml").read_text())
    jsonschema.validate(document, json.loads(OpenDataContractStandard.json_schema()))
    weights = [
        column["logicalTypeOptions"]["maximum"]
        for column in document["schema"][0]["properties"]
        if column["name"].removesuffix("_contribution") in score.PARTS
    ]
    assert weights == [weight for weight, _ in score.PARTS.values()]
    assert sum(weights) == 100
