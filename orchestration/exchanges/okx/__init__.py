"""OKX, swaps margined in USDT (v5): what it serves and its conventions.

- Units: a contract is ctVal x ctMult coins. Candle volumes come in contracts, coins and USDT (positions 5 to 7 of a
  bar); the coins are taken.
- Open interest: contracts, coins (`oiCcy`) and USD (`oiUsd`), taken as one side.
- Stamps: milliseconds, as text; answers come newest first, and a bar says whether it is closed.
- Funding: `realizedRate` is what was paid, `fundingRate` its forecast.
- Liquidations: orders at the bankruptcy price, at most one a second and contract, so a lower bound, kept for about 7
  days. `posSide` names the position that was liquidated; in net mode the order's side tells: who was long is sold. OKX
  gives no id, so what an event says of itself is its identity.
- Not established: that open interest counts one side, and whether `begin` and `end` of its history are inclusive.
"""

from datetime import date, timedelta

from orchestration.exchanges.declaration import Declaration, Depth, Feed, FeedEpoch

DECLARATION = Declaration(
    exchange="okx",
    suffix="-USDT-SWAP",
    market_types=("swap",),
    feeds={
        "instruments": Feed("public/instruments", "swaps in USDT"),
        "candles": Feed("market/history-candles", "1H, as far back as okx keeps them"),
        "open_interest": Feed(
            "rubik open-interest-history",
            "1H: the latest 1,440 hours; import what is older",
            Depth(timedelta(hours=1440), "okx serves only the latest 1,440 hours of open interest"),
        ),
        "funding_rates": Feed("funding-rate-history", "about the latest 3 months"),
        "liquidation_totals": Feed(None, "okx publishes no hourly liquidation totals"),
        "liquidations": Feed(
            "public/liquidation-orders",
            "about the latest 7 days, at most one a second and contract",
            Depth(timedelta(days=7), "okx serves only about the latest 7 days of liquidations"),
        ),
    },
    epochs=(FeedEpoch("liquidations", date(2019, 9, 1), "sampled"),),
)
