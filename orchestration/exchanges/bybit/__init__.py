"""Bybit, linear perpetuals in USDT (v5): what it serves and its conventions.

- Units: a contract is one coin. Candle volumes are coins (position 5 of a bar).
- Open interest: coins, without a value in USD. **It is one side here, but not on the wire**: by Bybit's documentation
  `openInterest` is the sum of both sides and `singleOpenInterest` one side. So `singleOpenInterest` is taken, or half
  of `openInterest` where it is absent.
- Stamps: milliseconds, as text; answers come newest first.
- Liquidations: only live, so a recording has to be imported. Throttled from 2021-09 until `allLiquidation`, which is
  complete, came on 2025-02-20.
- Not established: since when `singleOpenInterest` is sent.
"""

from datetime import date

from orchestration.exchanges.declaration import Declaration, Feed, FeedEpoch

DECLARATION = Declaration(
    exchange="bybit",
    suffix="USDT",
    market_types=("linear",),
    feeds={
        "instruments": Feed("instruments-info", "linear perpetuals in USDT"),
        "candles": Feed("kline", "1 h, since listing"),
        "open_interest": Feed("open-interest", "1 h, since listing; coins of one side"),
        "funding_rates": Feed("funding/history", "since listing"),
        "liquidation_totals": Feed(None, "bybit publishes no hourly liquidation totals"),
        "liquidations": Feed(None, "bybit has no public REST liquidations: import a recording"),
    },
    epochs=(
        FeedEpoch("liquidations", date(2019, 9, 1), "complete"),
        FeedEpoch("liquidations", date(2021, 9, 1), "sampled"),
        FeedEpoch("liquidations", date(2025, 2, 20), "complete"),
    ),
)
