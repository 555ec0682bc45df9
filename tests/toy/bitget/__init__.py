"""Bitget, perpetuals margined in USDT (v2 mix): what it serves and its conventions. A toy: two datasets, for the guide.

- Units: a contract is one coin. Candle volumes are coins (position 5 of a bar).
- Stamps: milliseconds, as text; answers come oldest first.
- Not established: whether `endTime` of a range is inclusive.
"""

from orchestration.exchanges.declaration import Declaration, Feed

DECLARATION = Declaration(
    exchange="bitget",
    suffix="USDT",
    market_types=("swap",),
    feeds={
        "instruments": Feed("mix/market/contracts", "perpetuals in USDT"),
        "candles": Feed("mix/market/history-candles", "1H, as far back as bitget keeps them"),
        "open_interest": Feed(None, "bitget serves only the present open interest, no history: import a recording"),
        "funding_rates": Feed(None, "not read yet"),
        "liquidation_totals": Feed(None, "bitget publishes no hourly liquidation totals"),
        "liquidations": Feed(None, "bitget has no public REST liquidations: import a recording"),
    },
)
