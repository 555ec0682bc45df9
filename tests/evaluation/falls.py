"""Markets with falls whose answers are known: what the card is made of, made on the spot."""

import numpy as np
import pandas as pd

from orchestration.evaluation.facts import Facts

START = pd.Timestamp("2025-01-01")
WARM_UP_DAYS = 14
FIRST_FALL_HOURS = 50 * 24  # the score begins after 42 days
HOURS_APART = 6 * 24
REVISIONS = [{"dataset": "candles", "rows": 10, "revised": 2, "first_revision_kept": 1, "backfilled": 3}]


def market(
    falls: int,
    *,
    foreseen: bool = False,
    origin: str = "live",
    seed: int = 1,
    exchanges: tuple = ("gate",),
    assets: tuple = ("BTC", "ETH"),
) -> Facts:
    """Calm hours, and every six days a fall of 15 % within three hours, won back in the day after.

    Longs liquidated, positions closed and the funding rate are noise; where falls are `foreseen` they are high in the
    24 hours before each fall's first hour and in no others.
    """
    hours = FIRST_FALL_HOURS + HOURS_APART * falls + 240
    random = np.random.default_rng(seed)
    begins = FIRST_FALL_HOURS + HOURS_APART * np.arange(falls)
    path = np.zeros(hours)
    for begin in begins:
        path[begin : begin + 3] += np.log(0.85) / 3
        path[begin + 24 : begin + 34] -= np.log(0.85) / 10
    is_before = np.zeros(hours, dtype=bool)
    for begin in begins:
        is_before[begin - 24 : begin] = True
    stamps = pd.date_range(START, periods=hours, freq="h", unit="us")
    bars, instruments = [], []
    for exchange in exchanges:
        for asset in assets:
            close = 100 * np.exp(np.cumsum(path + random.normal(0, 1e-3, hours)))
            name = f"{exchange}:{asset}/USDT:USDT"
            raised = random.random(hours) + (is_before * 5 if foreseen else 0)
            bars.append(
                pd.DataFrame({"as_of": stamps, "asset": asset, "instrument": name, "low": close, "close": close})
            )
            instruments.append(
                pd.DataFrame(
                    {
                        "as_of": stamps, "asset": asset, "instrument": name, "long_usd": raised,
                        "completeness": "complete", "epoch_at": pd.Timestamp("2019-09-01"),
                        "open_interest_usd": 1000.0, "open_interest_24h_ago_usd": 1000.0,
                        "closed_24h_usd": 10 * raised, "closed_28d_usd": 10 * raised, "start_28d_usd": 1000.0,
                        "funding_rate_annualised": raised / 10, "close": close,
                    }
                )
            )  # fmt: skip
    origins = [
        (dataset, exchange, origin, stamps[0], stamps[-1])
        for dataset in ("candles", "liquidations")
        for exchange in exchanges
    ]
    columns = ("instrument", "kept_ratio", "asset", "score", "warm_up_days", "value")
    nothing = pd.DataFrame({"as_of": stamps[:0], "known_at": stamps[:0]} | dict.fromkeys(columns, 0.0))
    return Facts(
        instruments=pd.concat(instruments, ignore_index=True),
        bars=pd.concat(bars, ignore_index=True),
        kept=nothing.astype({"instrument": "str"})[["as_of", "instrument", "kept_ratio"]],
        origins=pd.DataFrame(origins, columns=["dataset", "exchange", "origin", "first_at", "last_at"]),
        published=nothing.astype({"asset": "str"})[["as_of", "asset", "score", "warm_up_days"]],
        fear_and_greed=nothing[["known_at", "value"]],
        stabilisation=pd.DataFrame(
            {"as_of": stamps, "asset": "BTC", "support_level": 90.0, "price_met": None, "pace_met": True}
        ),
        revisions=REVISIONS,
    )  # fmt: skip
