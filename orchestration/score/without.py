"""How much of the latest score rests on one exchange or one asset: the score as it would be without it.

Here belong the prices of whoever is left, which dbt knows of the whole market alone, and the table that results. They
follow `stress_measures_hourly` and its inputs, and are held against it by a test.
"""

import numpy as np
import pandas as pd

from orchestration.score import first_line
from orchestration.score.grids import SHARE, Grids, ranked
from orchestration.score.measures import Instruments, on_grid
from orchestration.score.parts import LONG_WINDOW_DAYS, Ranks

COLUMNS = ["as_of", "left_out", "asset", "score", "score_low", "score_high", "reason"]
LONG_WINDOW_HOURS = LONG_WINDOW_DAYS * 24
# Breadth counts assets that were ranked within 28 d, and sampled feeds stand in where no other was within 28 d of that.
HOURS_THAT_COUNT = 2 * LONG_WINDOW_HOURS + 1


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
            grids = Grids(hours, assets, of_prices(kept, assets), kept)
            found.append(_last(grids, warm_up_days).assign(left_out=left_out))
    return pd.concat(found, ignore_index=True)[COLUMNS] if found else pd.DataFrame(columns=COLUMNS)


def _last(grids: Grids, warm_up_days: int) -> pd.DataFrame:
    """The score of the last hour, a row for every asset."""
    found = ranked(grids, warm_up_days, HOURS_THAT_COUNT)
    last = {part: Ranks(*(grid[-1] for grid in vars(its).values())) for part, its in found.parts.items()}
    filled_hours = found.of_panels["liquidations_ratio"].filled_hours[-1]
    scores = first_line.first_line(last, filled_hours, np.array(grids.assets))
    return scores.assign(as_of=grids.hours[-1], asset=grids.assets)


def of_prices(instruments: Instruments, assets: list[str]) -> dict[str, np.ndarray]:
    """The measures of prices and the share of open interest that these instruments have, as in `Grids`, by `assets`.

    An asset's price and returns are the medians of its instruments'; ALL's returns are weighted by open interest at
    their start, and its level is the index of its hourly returns.
    """
    close, open_interest, weight_24h = (
        pd.DataFrame(instruments.figures[name], columns=instruments.assets)
        for name in ("close", "open_interest_usd", "open_interest_24h_ago_usd")
    )
    price, return_24h, hourly = (
        _by_asset(its, "median") for its in (close, close / close.shift(24) - 1, np.log(close / close.shift(1)))
    )
    held, held_24h_ago, held_1h_ago = (
        _by_asset(its, "sum", min_count=1) for its in (open_interest, weight_24h, open_interest.shift(1))
    )
    hourly["ALL"] = np.log(_weighted(np.exp(hourly), held_1h_ago))
    return_24h["ALL"] = _weighted(return_24h, held_24h_ago)
    level = price.assign(ALL=np.exp(hourly["ALL"].cumsum()))
    peak = level.rolling(LONG_WINDOW_HOURS, min_periods=int(np.ceil(0.9 * LONG_WINDOW_HOURS))).max()
    measures = {
        "downside_24h_ratio": -return_24h,
        "downside_28d_ratio": 1 - level / peak,
        "volatility_24h": np.sqrt((hourly**2).rolling(24, min_periods=23).sum()),
        SHARE: held.div(held.sum(axis=1, min_count=1), axis=0).assign(ALL=np.nan),
    }
    return {name: its[assets].to_numpy() for name, its in measures.items()}


def _by_asset(of_instruments: pd.DataFrame, how: str, **options: int) -> pd.DataFrame:
    columns = {
        asset: getattr(of_instruments.loc[:, of_instruments.columns == asset], how)(axis=1, **options)
        for asset in of_instruments.columns.unique()
    }
    return pd.DataFrame(columns)


def _weighted(values: pd.DataFrame, weights: pd.DataFrame) -> pd.Series:
    """The mean over assets of what is known, by weight."""
    weights = weights.where(values.notna())
    return (values * weights).sum(axis=1, min_count=1) / weights.sum(axis=1).replace(0, np.nan)
