"""Frames that the score takes: prices of assets, and instruments that bring figures to its panels."""

import numpy as np
import pandas as pd

from orchestration.score.parts import PRICE_MEASURES

START = pd.Timestamp("2025-01-01")
WARM_UP_DAYS = 14
WARM_UP_HOURS = WARM_UP_DAYS * 24
MEDIAN_HOURS = 605  # nine tenths of 28 d, from which on a funding rate has a median
HOURS = MEDIAN_HOURS + WARM_UP_HOURS  # from here on every measure has a rank


def spread(hours: int) -> np.ndarray:
    """Values spread evenly over (0, 1), so that a value v that comes next ranks at about v."""
    return (np.random.default_rng(1).permutation(hours) + 0.5) / hours


def prices(values: np.ndarray, asset: str = "BTC", share: float | None = 1.0) -> pd.DataFrame:
    """One asset's `stress_measures_hourly`, all of its measures `values`."""
    hours = pd.date_range(START, periods=len(values), freq="h", unit="us")
    frame = pd.DataFrame({"as_of": hours, "asset": asset} | dict.fromkeys(PRICE_MEASURES, np.asarray(values, float)))
    return frame.assign(open_interest_share=share)


def instrument(values: np.ndarray, asset: str = "BTC", exchange: str = "gate", size: float = 1.0) -> pd.DataFrame:
    """One instrument's `int_stress_instruments_hourly`: what it brings, over open interest of `size`, is `values`."""
    values = np.asarray(values, float)
    return pd.DataFrame(
        {
            "as_of": pd.date_range(START, periods=len(values), freq="h", unit="us"),
            "asset": asset,
            "instrument": f"{exchange}:{asset}",
            "long_usd": size * values / 24,
            "completeness": "complete",
            "epoch_at": pd.Timestamp("2019-09-01"),
            "open_interest_usd": size,
            "open_interest_24h_ago_usd": size,
            "closed_24h_usd": size * values,
            "closed_28d_usd": size * values,
            "start_28d_usd": size,
            "funding_rate_annualised": values,
            "close": 100.0,
        }
    )


def market(**values: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both frames of these assets, each on one exchange and of equal weight; ALL has the mean of their prices."""
    share = 1 / len(values)
    of_prices = [prices(figures, asset, share) for asset, figures in values.items()]
    return (
        pd.concat([prices(np.mean(list(values.values()), axis=0), "ALL", None), *of_prices], ignore_index=True),
        pd.concat([instrument(figures, asset) for asset, figures in values.items()], ignore_index=True),
    )


def random_market(seed: int, hours: int = HOURS + 60) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two assets on two exchanges and ALL, with ties, holes of every kind, and a feed that changes its nature."""
    random = np.random.default_rng(seed)

    def figures() -> np.ndarray:
        return random.integers(0, random.integers(2, 30), hours) / 30

    of_prices = [prices(figures(), asset, share) for asset, share in (("ALL", None), ("BTC", 0.7), ("ETH", 0.3))]
    instruments = []
    for asset in ("BTC", "ETH"):
        for exchange, size in (("gate", 1.0), ("okx", 3.0)):
            one = instrument(figures(), asset, exchange, size)
            if exchange == "okx":
                begins = START + pd.Timedelta(hours=int(random.integers(hours)))
                one["epoch_at"] = one["epoch_at"].mask(one["as_of"] > begins, begins)
                one["completeness"] = one["completeness"].mask(one["as_of"] <= begins, "sampled")
            one.loc[random.random(hours) < 0.02, ["long_usd", "completeness", "epoch_at"]] = [np.nan, None, None]
            for column in ("open_interest_usd", "closed_24h_usd", "start_28d_usd", "funding_rate_annualised"):
                one.loc[random.random(hours) < 0.01, column] = np.nan
            instruments.append(one[random.random(hours) > 0.01])
    kept = [frame[random.random(hours) > 0.02] for frame in of_prices]
    return tuple(pd.concat(frames).sample(frac=1, random_state=seed) for frames in (kept, instruments))
