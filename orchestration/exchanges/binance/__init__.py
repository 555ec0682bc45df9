"""Binance, perpetuals margined in USDT (USD-M, fapi): what it serves and its conventions.

- Units: a contract is one coin. Candle volumes are coins (position 5 of a bar). COIN-M, where open interest means
  contracts and coins, is not read here.
- Open interest: coins (`sumOpenInterest`) and USD (`sumOpenInterestValue`) of one side.
- Stamps: milliseconds. A bar bears its opening, an observation its own moment. Settlements come a few milliseconds
  late; their stamps are kept as they are.
- Liquidations: only live, so a recording has to be imported. Binance pushes at most one order a symbol and second since
  2021-04-27: a lower bound from then on.
- Not established: which order of a second it pushes. Its documentation said the latest until 2026-04-10 and says the
  largest since.
"""

from datetime import date, timedelta

from orchestration.exchanges.declaration import Declaration, Depth, Feed, FeedEpoch

DECLARATION = Declaration(
    exchange="binance",
    suffix="USDT",
    market_types=("linear",),
    feeds={
        "instruments": Feed("exchangeInfo", "perpetuals margined in USDT"),
        "candles": Feed("klines", "1 h, since listing"),
        "open_interest": Feed(
            "openInterestHist",
            "1 h: the latest 30 days; import what is older",
            Depth(timedelta(days=30), "binance serves only the latest 30 days of open interest"),
        ),
        "funding_rates": Feed("fundingRate", "since listing"),
        "liquidation_totals": Feed(None, "binance publishes no hourly liquidation totals"),
        "liquidations": Feed(None, "binance has no public REST liquidations: import a recording"),
    },
    epochs=(
        FeedEpoch("liquidations", date(2019, 9, 1), "complete"),
        FeedEpoch("liquidations", date(2021, 4, 27), "sampled"),
    ),
)
