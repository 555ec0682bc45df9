"""The score in figures: a feed that is thinned, hours that are missing, and a real crash without funding.

Part of `make test-all`. The crash is skipped where the recordings are absent. What is tried is done to the frames that
the score reads, so that many cases cost no refresh.
"""

from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from orchestration import score
from orchestration.score import measures
from orchestration.score.parts import RANKED_PARTS

pytestmark = pytest.mark.thorough

WARM_UP_DAYS = 180
SEED, SINGLE_HOURS = 20260212, 500
FULLY_REPORTING = ("bybit", "gate")  # in the demo; throttled feeds are in no panel there


def inputs_of(home: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the score of a home is made of."""
    tables = "stress_measures_hourly", "intermediate.int_stress_instruments_hourly"
    with duckdb.connect(home / "build.duckdb", read_only=True) as build:
        return tuple(build.execute(f"select * from {table}").df() for table in tables)


@pytest.fixture(scope="module")
def demo(demo_home):
    return inputs_of(demo_home)


@pytest.fixture(scope="module")
def scores(demo):
    return score.market_stress(*demo, WARM_UP_DAYS)


def of(asset: str, scores: pd.DataFrame) -> pd.DataFrame:
    return scores[scores["asset"] == asset].set_index("as_of")


def test_the_published_score_is_that_of_its_inputs(demo_home, scores):
    with duckdb.connect(demo_home / "warehouse.duckdb", read_only=True) as warehouse:
        published = warehouse.execute("select * from market_stress order by as_of, asset").df()
    columns = ["as_of", "asset", "score", "score_low", "score_high", "liquidations_rank", "independent_windows"]
    pd.testing.assert_frame_equal(published[columns], scores[columns], check_dtype=False)
    latest = of("ALL", published).iloc[-1]
    assert (latest["score"], latest["regime"], latest["independent_windows"]) == (94.46, "cascade", 9)


@pytest.mark.parametrize("nature", ["sampled", "complete"])
@pytest.mark.parametrize("since", ["2025-06-01", "2025-11-15", "2026-02-04"])
@pytest.mark.parametrize("exchange", FULLY_REPORTING)
def test_a_feed_thinned_from_a_declared_epoch_on_moves_no_high_rank_of_all_by_a_tenth(
    demo, scores, exchange, since, nature
):
    of_prices, instruments = demo
    epoch_at = pd.Timestamp(since)
    is_thinned = instruments["instrument"].str.startswith(f"{exchange}:") & (instruments["as_of"] > epoch_at)
    is_thinned &= instruments["long_usd"].notna()
    thinned = instruments.assign(
        long_usd=instruments["long_usd"].where(~is_thinned, instruments["long_usd"] / 5),
        completeness=instruments["completeness"].mask(is_thinned, nature),
        epoch_at=instruments["epoch_at"].mask(is_thinned, epoch_at),
    )
    before, after = of("ALL", scores), of("ALL", score.market_stress(of_prices, thinned, WARM_UP_DAYS))
    panels = before["liquidations_panel"], after["liquidations_panel"]
    assert any(one != other for one, other in zip(*panels, strict=True))
    for part in RANKED_PARTS:
        truth, now = before[f"{part}_rank"], after[f"{part}_rank"]
        assert (truth.isna() == now.isna()).all()
        assert (truth - now).abs()[(truth > 0.9) | (now > 0.9)].max() <= 0.1


def single_hours(grid: measures.Instruments, truth: dict) -> list[tuple[str, int]]:
    """(exchange, hour) of the hours to take away, from those whose 24 h sums are ranked."""
    random = np.random.default_rng(SEED)
    ranked = np.flatnonzero(~np.isnan(truth["ALL"].rank))[:-24]
    return [(str(random.choice(FULLY_REPORTING)), int(random.choice(ranked))) for _ in range(SINGLE_HOURS)]


def without_hour(grid: measures.Instruments, exchange: str, hour: int) -> measures.Instruments:
    """The grid until the hour leaves the windows of 24 h; what is later changes nothing earlier."""
    until, long_usd = hour + 24, grid.long_usd.copy()
    long_usd[hour, grid.epochs["instrument"].str.startswith(f"{exchange}:").to_numpy()] = np.nan
    return replace(
        grid,
        figures={name: figures[:until] for name, figures in grid.figures.items()},
        long_usd=long_usd[:until],
        weight_usd=grid.weight_usd[:until],
    )


def test_a_single_missing_hour_leaves_the_truth_inside_the_bounds(demo):
    """Tried on liquidations, all that it touches: where their rank lies in its bounds, so does the score in its own."""
    of_prices, instruments = demo
    hours = pd.date_range(instruments["as_of"].min(), instruments["as_of"].max(), freq="h")
    months, assets = (hours.year * 12 + hours.month).to_numpy(), sorted(of_prices["asset"].unique())
    grid = measures.on_grid(instruments, hours)
    truth = measures.liquidations(grid, assets, WARM_UP_DAYS, months)
    is_inside = dict.fromkeys(assets, 0)
    for exchange, hour in single_hours(grid, truth):
        touched = slice(hour, hour + 24)
        found = measures.liquidations(without_hour(grid, exchange, hour), assets, WARM_UP_DAYS, months[: hour + 24])
        for asset in assets:
            bounds, rank = found[asset], truth[asset].rank[touched]
            assert (bounds.filled_hours[touched] == 1).all()
            is_inside[asset] += ((bounds.low[touched] <= rank) & (rank <= bounds.high[touched])).all()
    assert {asset: cases / SINGLE_HOURS >= 0.99 for asset, cases in is_inside.items()} == dict.fromkeys(assets, True)


def test_a_single_missing_hour_leaves_the_true_score_inside_its_bounds(demo, scores):
    of_prices, instruments = demo
    hours = pd.DatetimeIndex(sorted(of_prices["as_of"].unique()))
    scored = scores.loc[scores["score"].notna(), "as_of"].unique()
    random = np.random.default_rng(SEED)
    seen = []
    for exchange, hour in zip(random.choice(FULLY_REPORTING, 12), random.choice(scored[:-24], 12), strict=True):
        until = hours[hours.get_loc(hour) + 23]
        rows = instruments[instruments["as_of"] <= until]
        is_gone = rows["instrument"].str.startswith(f"{exchange}:") & (rows["as_of"] == hour)
        nothing = {"long_usd": np.nan, "completeness": None, "epoch_at": pd.NaT}
        rows = rows.assign(**{name: rows[name].mask(is_gone, value) for name, value in nothing.items()})
        found = score.market_stress(of_prices[of_prices["as_of"] <= until], rows, WARM_UP_DAYS)
        both = found.merge(scores[["as_of", "asset", "score"]], on=["as_of", "asset"], suffixes=("", "_true"))
        both = both[both["as_of"] >= hour]
        assert both["reason"].str.contains("filled hours: liquidations").all()
        seen += both["score_true"].between(both["score_low"], both["score_high"]).tolist()
    assert len(seen) == 12 * 24 * of_prices["asset"].nunique()
    assert np.mean(seen) >= 0.99


@pytest.fixture(scope="module")
def crash_scores(crash_home):
    of_prices, instruments = inputs_of(crash_home)
    assert instruments["funding_rate_annualised"].isna().all()
    return score.market_stress(of_prices, instruments, warm_up_days=14)


def test_the_score_does_not_fall_silent_in_the_crash_of_a_home_without_funding(crash_scores):
    day = crash_scores[crash_scores["as_of"].between("2024-08-05 00:00", "2024-08-06 00:00")]
    assert len(day) == 25 * 4
    assert (day["regime"].notna() | (day["regime_low"].notna() & day["regime_high"].notna())).all()
    assert (day["score_high"] - day["score_low"]).round(2).max() <= 10
    assert day["score"].notna().all()
    assert set(day["reason"]) == {"missing: never observed: funding; the score is the lower bound"}
    of_all = of("ALL", crash_scores)["score_low"]
    assert of_all.idxmax().date() == pd.Timestamp("2024-08-05").date()
    assert of_all.max() > 85
