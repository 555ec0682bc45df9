"""How much of the latest score rests on one exchange or one asset: the score as it would be without it.

Here belongs who is left out in turn, and the table that results.
"""

import numpy as np
import pandas as pd

from orchestration.score import first_line
from orchestration.score.grids import Grids, ranked
from orchestration.score.measures import on_grid
from orchestration.score.parts import LONG_WINDOW_DAYS
from orchestration.score.prices import price_measures

COLUMNS = ["as_of", "left_out", "asset", "score", "score_low", "score_high", "reason"]
# Breadth counts assets that were ranked within 28 d, and sampled feeds stand in where no other was within 28 d of that.
HOURS_THAT_COUNT = 2 * LONG_WINDOW_DAYS * 24 + 1


def score_without(instruments: pd.DataFrame, warm_up_days: int = 180) -> pd.DataFrame:
    """The table `score_without`: the latest hour's score and bounds without each exchange and each asset in turn.

    `instruments` is `int_stress_instruments_hourly`. `left_out` is an exchange or an asset; `asset` has ALL too; score
    and bounds are in points, `reason` as in `market_stress`. Whoever is left makes everything anew, ranks, panels,
    breadth and prices. Where nothing would be left there is no row.
    """
    if instruments.empty:
        return pd.DataFrame(columns=COLUMNS)
    hours = pd.date_range(instruments["as_of"].min(), instruments["as_of"].max(), freq="h")
    everyone = on_grid(instruments, hours)
    found = []
    for left_out in [*sorted(set(everyone.exchanges)), *sorted(set(everyone.assets))]:
        kept = everyone.without(left_out)
        if len(kept.columns):
            assets = sorted({"ALL", *kept.assets})
            figures = kept.figures
            prices = price_measures(figures["close"], figures["open_interest_usd"], kept.assets, assets)
            grids = Grids(hours, assets, prices, kept)
            found.append(_last(grids, warm_up_days).assign(left_out=left_out))
    return pd.concat(found, ignore_index=True)[COLUMNS] if found else pd.DataFrame(columns=COLUMNS)


def _last(grids: Grids, warm_up_days: int) -> pd.DataFrame:
    """The score of the last hour, a row for every asset."""
    found = ranked(grids, warm_up_days, HOURS_THAT_COUNT)
    last = {part: its.at(-1) for part, its in found.parts.items()}
    filled_hours = found.of_panels["liquidations_ratio"].filled_hours[-1]
    scores = first_line.first_line(last, filled_hours, np.array(grids.assets))
    return scores.assign(as_of=grids.hours[-1], asset=grids.assets)
