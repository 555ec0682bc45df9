"""Markets made on the spot for the tests of the score: hourly measures of prices, and instruments beside them."""

import numpy as np
import pandas as pd

from orchestration import score

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
