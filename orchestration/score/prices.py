"""Measures that rest on prices, taken from closes of instruments: dbt's `stress_measures_hourly`, of whoever is left.

Whoever asks how the score would be with fewer instruments needs them anew. A test holds both ways equal.
"""

import numpy as np
import pandas as pd

from orchestration.score.parts import LONG_WINDOW_DAYS

SHARE = "open_interest_share"
WINDOW_HOURS, FEWEST_RETURNS = 24, 23
LONG_WINDOW_HOURS, FEWEST_LEVELS = LONG_WINDOW_DAYS * 24, int(np.ceil(0.9 * LONG_WINDOW_DAYS * 24))


def price_measures(
    close: np.ndarray, open_interest_usd: np.ndarray, assets_of: np.ndarray, assets: list[str]
) -> dict[str, np.ndarray]:
    """The measures of prices and the share of open interest, by name, with a row for every hour and a column for each
    of `assets`, ALL among them.

    `close` and `open_interest_usd` have a row for every hour of an unbroken grid and a column for every instrument,
    whose asset stands in `assets_of`. An asset's price and returns are the medians of its instruments'; ALL's returns
    are weighted by open interest at their start, and its level is the index of its hourly returns.
    """
    closes, held = pd.DataFrame(close, columns=assets_of), pd.DataFrame(open_interest_usd, columns=assets_of)
    price, daily, hourly = (
        _by_asset(its, "median")
        for its in (closes, closes / closes.shift(WINDOW_HOURS) - 1, np.log(closes / closes.shift(1)))
    )
    weight = _by_asset(held, "sum", min_count=1)
    hourly["ALL"] = np.log(_weighted(np.exp(hourly), weight.shift(1)))
    daily["ALL"] = _weighted(daily, weight.shift(WINDOW_HOURS))
    level = price.assign(ALL=np.exp(hourly["ALL"].cumsum()))
    peak = level.rolling(LONG_WINDOW_HOURS, min_periods=FEWEST_LEVELS).max()
    measures = {
        "downside_24h_ratio": -daily,
        "downside_28d_ratio": 1 - level / peak,
        "volatility_24h": np.sqrt((hourly**2).rolling(WINDOW_HOURS, min_periods=FEWEST_RETURNS).sum()),
        SHARE: weight.div(weight.sum(axis=1, min_count=1), axis=0),
    }
    return {name: its.reindex(columns=assets).to_numpy() for name, its in measures.items()}


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
