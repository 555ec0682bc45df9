"""The first line: contributions that add up, honest bounds, breadth of the others, regimes that are never guessed."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.score import PARTS, first_line
from orchestration.score.parts import KNOWN, MISSING, RANKED_PARTS, Ranks

DATASETS = ("liquidations", "open_interest", "funding_rates", "candles")


def known(*values: float) -> Ranks:
    """Ranks of some hours; NaN is a missing one."""
    rank = np.array(values, dtype="float64")
    cause = np.where(np.isnan(rank), MISSING, KNOWN)
    return Ranks(rank, rank, rank, np.full(len(rank), 1000), cause)


def within(low: float, rank: float, high: float) -> Ranks:
    return Ranks(np.array([rank]), np.array([low]), np.array([high]), np.array([1000]), np.array([KNOWN]))


def scored(filled_hours: int = 0, **parts: Ranks) -> pd.DataFrame:
    parts = {part: known(0.5) for part in PARTS} | parts
    hours = max(len(its.rank) for its in parts.values())
    parts = {part: its if len(its.rank) == hours else known(*[0.5] * hours) for part, its in parts.items()}
    return first_line.first_line(parts, np.full(hours, filled_hours), np.full(hours, "BTC"))


@settings(deadline=None)  # two cores may be busy
@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=6, max_size=6))
def test_contributions_add_up_exactly_as_displayed_and_bounds_hold(values):
    ranks = {part: known(np.nan if value is None else value) for part, value in zip(PARTS, values, strict=True)}
    row = scored(**ranks).iloc[0]
    there = [part for part in PARTS if not np.isnan(ranks[part].rank[0])]
    shown = [Decimal(f"{row[f'{part}_contribution']:.2f}") for part in there]
    missing = 100 - sum(PARTS[part][0] for part in there)
    assert sum(shown) == Decimal(f"{row['score_low']:.2f}")
    assert row["score_low"] == pytest.approx(sum(PARTS[part][0] * ranks[part].rank[0] for part in there), abs=0.00501)
    assert row["score_high"] == pytest.approx(row["score_low"] + missing)
    assert np.isnan(row["score"]) == (missing > 10)
    assert np.isnan(row["score"]) or row["score"] == row["score_low"]
    assert pd.isna(row["reason"]) == (not missing)


@settings(deadline=None)  # two cores may be busy
@given(st.lists(st.tuples(*[st.floats(0, 1)] * 3).map(sorted), min_size=2, max_size=2), st.floats(0, 1))
def test_every_completion_of_what_is_open_lies_within_the_bounds(open_parts, funding):
    (low, rank, high), (least, _, most) = open_parts
    row = scored(
        1, liquidations=within(low, rank, high), breadth=within(least, least, most), funding=known(np.nan)
    ).iloc[0]  # fmt: skip
    for liquidations in (low, rank, high):
        for breadth in (least, most):
            whole = scored(liquidations=known(liquidations), breadth=known(breadth), funding=known(funding)).iloc[0]
            assert row["score_low"] <= whole["score"] <= row["score_high"]


@settings(deadline=None)  # two cores may be busy
@given(st.lists(st.floats(0, 1), min_size=6, max_size=6), st.sampled_from(list(PARTS)), st.floats(0, 1))
def test_the_first_line_never_falls_when_a_part_rises(ranks, part, rise):
    before = dict(zip(PARTS, ranks, strict=True))
    after = before | {part: before[part] + rise * (1 - before[part])}
    lower, higher = (scored(**{name: known(rank) for name, rank in its.items()}).iloc[0] for its in (before, after))
    for column in ("score", "score_low", "score_high"):
        assert lower[column] <= higher[column]


def test_the_score_takes_the_least_of_breadth_and_the_fill_of_a_filled_part():
    row = scored(2, liquidations=within(0.4, 0.5, 0.6), breadth=within(0.25, 0.25, 0.5)).iloc[0]
    assert (row["score"], row["score_low"], row["score_high"]) == (47.5, 45.5, 52)
    assert row["reason"] == "filled hours: liquidations; assets without ranks: breadth"


def test_largest_remainders_get_the_hundredths():
    third = known(1 / 3)  # 6.666... three times: 20.00 in all, not 3 x 6.67 or 3 x 6.66
    row = scored(
        liquidations=third, open_interest=third, downside=third, volatility=known(0), funding=known(0), breadth=known(0)
    ).iloc[0]  # fmt: skip
    assert [row[f"{part}_contribution"] for part in PARTS] == [6.67, 6.67, 6.66, 0, 0, 0]
    assert row["score"] == 20


def test_a_missing_light_part_leaves_a_lower_bound_and_a_heavy_one_no_score():
    light, heavy = scored(funding=known(np.nan)).iloc[0], scored(volatility=known(np.nan)).iloc[0]
    assert (light["score"], light["score_low"], light["score_high"]) == (45, 45, 55)
    assert light["reason"] == "missing: funding; the score is the lower bound"
    assert (np.isnan(heavy["score"]), heavy["score_low"], heavy["score_high"]) == (True, 40, 60)


def test_what_a_home_never_had_is_told_from_what_is_missing():
    found = {measure: known(0.5, 0.5) for _, measures in PARTS.values() for measure in measures}
    found |= {"funding_dislocation": known(np.nan, np.nan)}
    observed = {dataset: np.array([dataset != "funding_rates", True]) for dataset in DATASETS}
    table = scored(**first_line.parts_of(found, observed))
    assert table["reason"].tolist() == [
        "missing: never observed: funding; the score is the lower bound",
        "missing: funding; the score is the lower bound",
    ]


def test_a_part_of_two_measures_needs_both_and_takes_their_mean():
    found = {measure: known(0.5, 0.5) for _, measures in PARTS.values() for measure in measures}
    found |= {"downside_24h_ratio": known(0.2, np.nan)}
    parts = first_line.parts_of(found, {dataset: np.full(2, True) for dataset in DATASETS})
    assert parts["downside"].rank.tolist() == pytest.approx([0.35, np.nan], nan_ok=True)


def breadth(
    ranks: dict[str, float | dict[str, float]], shares: dict[str, float] | None = None, never: str | None = None
) -> Ranks:
    """Breadth of one hour, of assets with this rank in every part (or these by part, the others 0.99)."""
    assets = ["ALL", *ranks]
    of_parts = {
        part: [0.5, *(rank.get(part, 0.99) if isinstance(rank, dict) else rank for rank in ranks.values())]
        for part in RANKED_PARTS
    }
    grids = {part: known(*values) for part, values in of_parts.items()}
    grids = {
        part: Ranks(*(figures[np.newaxis] for figures in vars(its).values())) for part, its in grids.items()
    }  # fmt: skip
    share = np.array([[np.nan, *((shares or {}).get(asset, 0.3) for asset in ranks)]])
    observed = {dataset: np.array([dataset != never]) for dataset in DATASETS}
    its = first_line.breadth_of(grids, assets, share, np.full((1, len(assets)), True), observed)
    return Ranks(*(figures[0] for figures in vars(its).values()))


def test_breadth_is_the_share_of_the_other_assets_under_stress():
    its = breadth({"BTC": 0.99, "ETH": 0.5, "SOL": 0.95})
    assert its.rank.tolist() == [2 / 3, 1 / 2, 1, 1 / 2]  # of all; ETH and SOL; BTC and SOL; BTC and ETH


def test_dust_is_not_counted():
    assert breadth({"BTC": 0.99, "ETH": 0.5, "SOL": 0.95}, {"SOL": 0.004}).rank.tolist() == [1 / 2, 0, 1, 1 / 2]


def test_breadth_has_bounds_where_a_missing_rank_decides():
    its = breadth({"BTC": {}, "ETH": {"funding": np.nan}, "SOL": 0.2})
    assert its.low.tolist() == [1 / 3, 0, 1 / 2, 1 / 2]  # 0.99 of four parts is no mean above 0.9 of five
    assert its.high.tolist() == [2 / 3, 1 / 2, 1 / 2, 1]
    assert its.rank.tolist() == its.low.tolist()


def test_breadth_is_known_where_a_missing_rank_does_not_matter():
    its = breadth({"BTC": 0.99, "ETH": {"liquidations": 0.1, "downside": 0.1, "funding": np.nan}})
    assert its.low.tolist() == its.high.tolist() == [1 / 2, 0, 1]


def test_a_dataset_that_a_home_never_had_is_left_out_of_breadth():
    without = {"BTC": {"funding": np.nan}, "ETH": {"funding": np.nan}}
    assert breadth(without).high.tolist() == [1, 1, 1]
    assert breadth(without).low.tolist() == [0, 0, 0]
    its = breadth(without, never="funding_rates")
    assert its.low.tolist() == its.high.tolist() == [1, 1, 1]


def test_one_asset_alone_has_no_breadth():
    assert np.isnan(breadth({"BTC": 0.99}).rank).all()


def regimes(low: list[float], high: list[float] | None = None) -> pd.DataFrame:
    """The regimes of hours with these bounds, in points; NaN is an hour in which no part has a rank."""
    high = low if high is None else high
    is_missing = np.isnan(low)
    parts = {part: known(*np.where(is_missing, np.nan, np.nan_to_num(low) / 100)) for part in PARTS}
    ranks = {
        part: Ranks(its.rank, its.low, np.where(is_missing, np.nan, np.nan_to_num(high) / 100), its.hours, its.cause)
        for part, its in parts.items()
    }
    table = first_line.first_line(ranks, np.ones(len(low)), np.full(len(low), "BTC"))
    return table[["regime", "regime_low", "regime_high"]].astype("object").where(lambda frame: frame.notna(), None)


def test_a_regime_is_entered_at_once_and_left_after_48_hours_below():
    assert regimes([30, 99, *[30] * 49])["regime"].tolist() == ["calm", *["cascade"] * 48, *["calm"] * 2]


def test_a_lower_regime_has_its_own_48_hours():
    named = regimes([99, *[30] * 20, 79, *[30] * 60])["regime"].tolist()
    assert named == ["cascade"] * 48 + ["stress"] * 21 + ["calm"] * 13


def test_a_regime_is_never_asserted_across_a_threshold():
    named = regimes([70, 74, 76], [74, 78, 80])
    assert named["regime_low"].tolist() == ["elevated", "elevated", "stress"]
    assert named["regime_high"].tolist() == ["elevated", "stress", "stress"]
    assert named["regime"].tolist() == ["elevated", None, "stress"]


def test_hours_without_any_rank_hold_the_regime_and_do_not_count():
    named = regimes([99, *[30] * 10, *[np.nan] * 5, *[30] * 40])["regime"].tolist()
    assert named == ["cascade"] * 11 + [None] * 5 + ["cascade"] * 37 + ["calm"] * 3
