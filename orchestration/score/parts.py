"""What the score is made of: its parts, their weights and measures, and the words for why a part is missing."""

from dataclasses import dataclass
from typing import Any

import numpy as np

# Part: weight in points, and the measures whose mean rank it is. Breadth is made of the others' ranks.
PARTS = {
    "liquidations": (20, ("liquidations_ratio",)),
    "open_interest": (20, ("open_interest_24h_ratio", "open_interest_28d_ratio")),
    "downside": (20, ("downside_24h_ratio", "downside_28d_ratio")),
    "volatility": (20, ("volatility_24h",)),
    "funding": (10, ("funding_dislocation",)),
    "breadth": (10, ()),
}
RANKED_PARTS = [part for part, (_, measures) in PARTS.items() if measures]
MEASURES = [measure for _, measures in PARTS.values() for measure in measures]
WEIGHTS = np.array([weight for weight, _ in PARTS.values()])

# Those of prices, which come computed; the others are computed on panels of instruments.
PRICE_MEASURES = ("downside_24h_ratio", "downside_28d_ratio", "volatility_24h")
PANEL_MEASURES = [measure for measure in MEASURES if measure not in PRICE_MEASURES]

# What a part can't be computed without. Funding is weighed by open interest.
DATASETS = {
    "liquidations": ("liquidations", "open_interest"),
    "open_interest": ("open_interest",),
    "downside": ("candles",),
    "volatility": ("candles",),
    "funding": ("funding_rates", "open_interest"),
}
LONG_WINDOW_DAYS = 28
WINDOW_DAYS = {measure: LONG_WINDOW_DAYS if "_28d_" in measure else 1 for measure in MEASURES}

# Why a part has no rank, the first before the others where two measures differ; the words of the column `reason`.
KNOWN, NEVER_OBSERVED, MISSING, INSUFFICIENT_HISTORY, TOO_MANY_PANELS = range(5)
CAUSES = {
    INSUFFICIENT_HISTORY: "insufficient_history",
    TOO_MANY_PANELS: "too many panels",
    MISSING: "missing",
    NEVER_OBSERVED: "missing: never observed",
}


@dataclass(frozen=True)
class Ranks:
    """What is known of a measure in one scope, one element an hour of the grid.

    `rank`, NaN where there is none; `low` and `high`, its bounds (the rank itself unless hours were filled; NaN without
    one); `hours`, earlier hours that it is or would be ranked among; `cause`, one of CAUSES or KNOWN.
    """

    rank: np.ndarray
    low: np.ndarray
    high: np.ndarray
    hours: np.ndarray
    cause: np.ndarray

    def at(self, where: Any) -> "Ranks":
        """Those of some elements, by whatever numpy takes as an index."""
        return Ranks(self.rank[where], self.low[where], self.high[where], self.hours[where], self.cause[where])


def hundredths(points: np.ndarray) -> np.ndarray:
    """Contributions in whole hundredths of a point, a column for each part, that add up exactly to their rounded sum.

    Each is rounded down, and the hundredths that the sum then lacks go to the largest remainders (ties in the order of
    the parts).
    """
    exact = points * 100
    whole = np.floor(exact).astype("int64")
    remainders = exact - whole
    lacking = np.rint(remainders.sum(axis=1)).astype("int64")
    place = np.argsort(np.argsort(-remainders, axis=1, kind="stable"), axis=1)
    return whole + (place < lacking[:, np.newaxis])
