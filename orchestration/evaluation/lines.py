"""The lines that are held against falls: the score on the frozen panel, and the baselines that it has to beat.

Here belongs what a line is at every hour. When one is an alarm, and whether that was right, is the matter of `events`.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from orchestration import score
from orchestration.context.sources import SOURCES
from orchestration.evaluation.events import WINDOW_HOURS
from orchestration.evaluation.facts import HOUR, Facts
from orchestration.evaluation.panel import ALL, Panel
from orchestration.score import ranks
from orchestration.score.first_line import HOURS_UNTIL_A_REGIME_ENDS, REGIMES
from orchestration.score.measures import MOST_FILLED_HOURS

BASELINES = {
    "volatility": "volatility alone",
    "return": "return alone",
    "reported_liquidations": "reported liquidations alone",
    "fear_and_greed": "fear and greed",
}
PARTS = list(score.PARTS)
WEIGHTS = {part: float(weight) for part, (weight, _) in score.PARTS.items()}
OVERLAPPING = ("downside", "volatility")  # are made of the same prices as the label
FEWEST_HOURS = WINDOW_HOURS - MOST_FILLED_HOURS  # as the score's own measure of liquidations needs them


def scored(panel: Panel, warm_up_days: int) -> dict[str, pd.DataFrame]:
    """The score of every asset and ALL on the panel, by hour of the grid."""
    table = score.market_stress(panel.of_prices, panel.instruments, warm_up_days)
    return {
        str(asset): rows.set_index("as_of").drop(columns="asset").reindex(panel.hours)
        for asset, rows in table.groupby("asset")
    }


def baselines(panel: Panel, facts: Facts, asset: str, warm_up_days: int) -> pd.DataFrame:
    """Baselines by hour, each as its mid-rank among its own earlier hours, times 100: as the score ranks its measures.

    Beside each `<name>_value`, what was ranked: volatility of 24 h, less the return of 24 h, longs liquidated in 24 h
    on the panel as reported (USD), and 100 less fear and greed, the last that was known, no older than two days.
    """
    of_asset = panel.of_prices[panel.of_prices["asset"] == asset].set_index("as_of").reindex(panel.hours)
    in_scope = panel.instruments if asset == ALL else panel.instruments[panel.instruments["asset"] == asset]
    by_hour = in_scope.groupby("as_of")["long_usd"].sum(min_count=1).reindex(panel.hours)
    values = {
        "volatility": of_asset["volatility_24h"],
        "return": of_asset["downside_24h_ratio"],
        "reported_liquidations": by_hour.rolling(WINDOW_HOURS, min_periods=FEWEST_HOURS).sum(),
        "fear_and_greed": 100 - _as_known(facts.fear_and_greed, panel.hours),
    }
    columns = {}
    for name, its in values.items():
        figures = its.to_numpy(dtype="float64")
        columns[f"{name}_value"] = figures
        columns[name] = 100 * ranks.ranks_of_series(figures, warm_up_days).rank
    return pd.DataFrame(columns, index=panel.hours)


def _as_known(daily: pd.DataFrame, hours: pd.DatetimeIndex) -> pd.Series:
    """At every hour the last value that was known, unless it is too old."""
    if daily.empty:
        return pd.Series(np.nan, index=hours)
    at = np.searchsorted(daily["known_at"].to_numpy(), hours.to_numpy().astype("datetime64[us]"), side="right") - 1
    known_at = daily["known_at"].to_numpy()[np.maximum(at, 0)]
    is_held = (at >= 0) & (hours - pd.DatetimeIndex(known_at) <= SOURCES["alternative"].carried_days * 24 * HOUR)
    return pd.Series(np.where(is_held, daily["value"].to_numpy()[np.maximum(at, 0)], np.nan), index=hours)


def weighted(scores: pd.DataFrame, weights: Mapping[str, float]) -> np.ndarray:
    """100 times the weighted mean of the parts' ranks, of those weights made to add up to 100; a missing part counts
    nothing, as in `score_low`. NaN where the score is NULL.

    With the score's own weights it is the score, unless hours were filled or breadth is open.
    """
    total = sum(weights.values())
    points = sum(weight / total * 100 * scores[f"{part}_rank"].fillna(0) for part, weight in weights.items())
    return np.where(scores["score"].notna(), points, np.nan)


def without_overlap(scores: pd.DataFrame) -> np.ndarray:
    """The score of the parts that don't share the label's prices."""
    return weighted(scores, {part: weight for part, weight in WEIGHTS.items() if part not in OVERLAPPING})


def regimes(low: np.ndarray, is_counted: np.ndarray) -> np.ndarray:
    """The number of the regime in force by the score's own rule: the highest of the last 48 counted hours, entered at
    once; -1 in an hour that isn't counted."""
    counted = pd.Series(low[is_counted]).rolling(HOURS_UNTIL_A_REGIME_ENDS, min_periods=1).max().to_numpy()
    found = np.full(len(low), -1)
    found[is_counted] = np.searchsorted(list(REGIMES.values()), counted, side="right") - 1
    return found
