"""The score on whole markets: the demo's, with a feed thinned and hours taken away, and a real crash without funding.

Part of `make test-all`. The crash is skipped where the recordings are absent.
"""

from dataclasses import replace

import duckdb
import numpy as np
import pandas as pd
import pytest

from orchestration import score
from orchestration.score import measures
from orchestration.score.panels import Asked

pytestmark = pytest.mark.thorough

HOUR = pd.Timedelta(hours=1)
FULLY_REPORTING = ("bybit", "gate")


def frames(home) -> tuple[pd.DataFrame, pd.DataFrame]:
    with duckdb.connect(home / "build.duckdb", read_only=True) as build:
        of_prices = build.sql("from stress_measures_hourly").df()
        return of_prices, build.sql("from intermediate.int_stress_instruments_hourly").df()


@pytest.fixture(scope="module")
def demo(demo_home):
    return frames(demo_home)


@pytest.fixture(scope="module")
def truth(demo):
    return score.market_stress(*demo).set_index(["as_of", "asset"])


@pytest.mark.parametrize("exchange", ["binance", "bybit", "gate", "okx"])
@pytest.mark.parametrize("nature", ["as before", "sampled"])
@pytest.mark.parametrize(("factor", "day"), [(0.1, 30), (1 / 3, 200), (3, 200), (1 / 3, 270)])
def test_thinning_a_feed_from_a_declared_epoch_on_is_no_calm(demo, truth, exchange, nature, factor, day):
    of_prices, instruments = demo
    thinned = instruments.copy()
    began = thinned["as_of"].min() + pd.Timedelta(days=day)
    is_thin = thinned["instrument"].str.startswith(exchange) & (thinned["as_of"] > began) & thinned["long_usd"].notna()
    thinned.loc[is_thin, "long_usd"] *= factor
    thinned.loc[is_thin, "epoch_at"] = began
    if nature == "sampled":
        thinned.loc[is_thin, "completeness"] = nature
    ranks = (
        score.market_stress(of_prices, thinned).set_index(["as_of", "asset"])["liquidations_rank"].xs("ALL", level=1)
    )
    high = truth["liquidations_rank"].xs("ALL", level=1).loc[lambda its: its > 0.9]
    assert len(high) > 300
    assert ranks[high.index].notna().all()
    assert (ranks[high.index] - high).abs().max() <= 0.1


def drawn_holes(truth, holes: int) -> list[tuple[str, pd.Timestamp]]:
    """(exchange, as_of) of hours whose liquidations are to be taken away, all of them in the scored span."""
    random = np.random.default_rng(2026)
    scored = truth["score"].dropna().index.get_level_values("as_of")
    hours = pd.date_range(scored.min() + 24 * HOUR, scored.max() - 24 * HOUR, freq="h")
    return [(str(random.choice(FULLY_REPORTING)), hour) for hour in random.choice(hours, holes, replace=False)]


def test_the_truth_lies_within_the_bounds_of_a_missing_hour(demo, truth):
    """Each of 500 hours of an exchange, taken away one at a time: the 24 h that it moves, of every asset and ALL.

    It moves liquidations alone. Where their rank lies within its bounds, breadth and the score do within theirs.
    """
    of_prices, instruments = demo
    assets = sorted(of_prices["asset"].unique())
    hours = pd.date_range(instruments["as_of"].min(), instruments["as_of"].max(), freq="h")
    months, grid = (hours.year * 12 + hours.month).to_numpy(), measures.on_grid(instruments, hours)
    ranks = truth["liquidations_rank"].unstack()[assets].reindex(hours).to_numpy()
    inside = []
    for exchange, as_of in drawn_holes(truth, 500):
        hour = hours.get_loc(as_of)
        until, long_usd = hour + 24, grid.long_usd.copy()  # what is later changes nothing earlier
        long_usd[hour, grid.epochs["instrument"].str.startswith(exchange).to_numpy()] = np.nan
        figures = {name: its[:until] for name, its in grid.figures.items()}
        holed = replace(grid, figures=figures, long_usd=long_usd[:until], weight_usd=grid.weight_usd[:until])
        found = measures.liquidations(holed, assets, Asked(180, months[:until], np.full(until, True)))
        for at, asset in enumerate(assets):
            its, true = found[asset], ranks[hour:until, at]
            assert (its.filled_hours[hour:until] == 1).all()
            inside.append(((its.low[hour:until] <= true) & (true <= its.high[hour:until])).all())
    assert np.reshape(inside, (500, -1)).all(axis=1).mean() >= 0.99


def test_the_true_score_lies_within_its_bounds_while_an_hour_is_missing(demo, truth):
    of_prices, instruments = demo
    for exchange, as_of in drawn_holes(truth, 6):
        is_hole = (instruments["as_of"] == as_of) & instruments["instrument"].str.startswith(exchange)
        holed = instruments.copy()
        holed.loc[is_hole, ["long_usd", "completeness", "epoch_at"]] = [np.nan, None, None]
        scores = score.market_stress(of_prices, holed).set_index(["as_of", "asset"])
        moved = scores.loc[pd.IndexSlice[as_of : as_of + 23 * HOUR, :], :]
        assert moved["reason"].str.contains("filled hours: liquidations").all()
        true = truth["score"][moved.index]
        assert ((moved["score_low"] <= true) & (true <= moved["score_high"])).all()


def test_the_score_does_not_fall_silent_in_a_crash_without_funding(crash_home):
    """Gate alone, three assets, 14 days of warm-up: a regime or its two bounds in every hour of 2024-08-05."""
    of_prices, instruments = frames(crash_home)
    assert instruments["funding_rate_annualised"].isna().all()
    scores = score.market_stress(of_prices, instruments, warm_up_days=14)
    day = scores[(scores["as_of"] >= "2024-08-05") & (scores["as_of"] <= "2024-08-06")]
    assert len(day) == 25 * 4
    assert day[["regime_low", "regime_high"]].notna().all(axis=None)
    assert (day["score_high"] - day["score_low"]).max() <= 10 + 1e-9
    assert day["score"].notna().all()
    assert set(day["reason"]) == {"missing: never observed: funding; the score is the lower bound"}
    of_all = scores[scores["asset"] == "ALL"].set_index("as_of")["score_low"]
    assert of_all.idxmax().normalize() == pd.Timestamp("2024-08-05")
    assert of_all.max() > 85
