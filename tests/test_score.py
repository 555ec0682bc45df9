"""The score: ranks among a panel's own past, contributions that add up, honest bounds, regimes that don't flicker."""

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

from orchestration import contracts, score
from orchestration.score import first_line, measures, panels, ranks
from orchestration.score.parts import KNOWN, MISSING, RANKED_PARTS, TOO_MANY_PANELS, Ranks

START = pd.Timestamp("2025-01-01")
WARM_UP_DAYS = 14
WARM_UP_HOURS = WARM_UP_DAYS * 24
HOURS = 1_000  # so many that the slowest measure, funding's distance from its 28 d median, is warm
LONG_AGO = pd.Timestamp("2019-09-01")


def history(hours: int = HOURS) -> np.ndarray:
    """Values spread evenly over (0, 1), so that a value v that comes next ranks at about v."""
    return (np.random.default_rng(1).permutation(hours) + 0.5) / hours


def prices(values, asset: str = "BTC", share: float | None = 1.0, **columns) -> pd.DataFrame:
    """One asset's hourly measures of prices, all of them `values` unless a column is given."""
    hours = pd.date_range(START, periods=len(values), freq="h", unit="us")
    names = ("downside_24h_ratio", "downside_28d_ratio", "volatility_24h")
    frame = pd.DataFrame({"as_of": hours, "asset": asset} | dict.fromkeys(names, np.asarray(values, float)))
    return frame.assign(open_interest_share=share, **columns)


def instrument(values, name: str = "gate:BTC", nature: str = "complete", **columns) -> pd.DataFrame:
    """One instrument whose measures are `values`: each hour liquidates 1 USD, out of as much as makes the ratio.

    Its funding swings about zero, so that its distance from the median is about the value.
    """
    values = np.asarray(values, float)
    hours = pd.date_range(START, periods=len(values), freq="h", unit="us")
    frame = pd.DataFrame({"as_of": hours, "asset": name.split(":")[1], "instrument": name, "long_usd": 1.0})
    frame = frame.assign(
        completeness=nature,
        epoch_at=LONG_AGO,
        open_interest_usd=1.0,
        open_interest_24h_ago_usd=24 / values,
        closed_24h_usd=24.0,
        closed_28d_usd=values,
        start_28d_usd=1.0,
        funding_rate_annualised=values * np.where(np.arange(len(values)) % 2, 1, -1),
        is_price_observed=True,
    ).assign(**columns)
    unobserved = frame["long_usd"].isna()
    return frame.assign(
        completeness=frame["completeness"].mask(unobserved), epoch_at=frame["epoch_at"].mask(unobserved)
    )


def scores_of(of_prices: list[pd.DataFrame], instruments: list[pd.DataFrame]) -> pd.DataFrame:
    return score.market_stress(pd.concat(of_prices), pd.concat(instruments), WARM_UP_DAYS)


def scores_of_btc(values, *instruments: pd.DataFrame, **columns) -> pd.DataFrame:
    """BTC's scores where all measures are `values` but for the columns or the instruments given."""
    return scores_of([prices(values, **columns)], list(instruments) or [instrument(values)])


def random_market(seed: int, hours: int = HOURS + 60) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two assets and ALL on three exchanges, with ties, missing figures, missing rows and a feed that changes."""
    random = np.random.default_rng(seed)

    def figures(*size: int, missing: float = 0.01) -> np.ndarray:
        drawn = random.integers(1, random.integers(3, 30), size).astype(float)
        return np.where(random.random(size) < missing, np.nan, drawn)

    of_prices, instruments = [], []
    for asset, share in (("ALL", None), ("BTC", 0.7), ("ETH", 0.3)):
        names = {name: figures(hours) for name in ("downside_24h_ratio", "downside_28d_ratio", "volatility_24h")}
        of_prices.append(prices(np.zeros(hours), asset, share, **names)[random.random(hours) > 0.01])
    for exchange, nature in (("bybit", "sampled"), ("gate", "totals"), ("okx", "sampled")):
        for asset in ("BTC", "ETH"):
            frame = instrument(figures(hours, missing=0), f"{exchange}:{asset}", nature, long_usd=figures(hours))
            for name in ("open_interest_24h_ago_usd", "closed_28d_usd", "funding_rate_annualised"):
                frame.loc[random.random(hours) < 0.01, name] = np.nan
            if exchange == "bybit":
                is_after = (frame.index > random.integers(1, hours)) & frame["long_usd"].notna()
                frame.loc[is_after, ["completeness", "epoch_at"]] = ["complete", START + pd.Timedelta(days=20)]
            instruments.append(frame[random.random(hours) > 0.002])
    whole = (pd.concat(frames) for frames in (of_prices, instruments))
    return tuple(frame.sample(frac=1, random_state=seed) for frame in whole)


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


def test_a_part_of_two_measures_needs_both():
    values = history()
    gap = scores_of_btc(values, downside_28d_ratio=[*values[:-1], np.nan]).iloc[-1]
    assert np.isnan(gap["downside_rank"])
    assert gap["reason"].startswith("missing: downside, breadth")


# Points and bounds


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


# Breadth (17, 21)


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


# Regimes (18)

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


# Panels (19)


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


# Holes (20)


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
