"""Gate, perpetuals margined in USDT (v4): what it serves and its conventions.

- Units: a contract is quanto_multiplier units of its ticker. Candle volumes (`v`) count contracts. Where USD, contracts
  and mark price of a row imply another size by more than 5 %, the row is refused, never rewritten.
- Open interest: contracts and USD. Published figures (150,508,526 contracts x 0.0001 BTC x 30,551.93 USD = 459.8 M USD)
  fit one side.
- Liquidation totals: USD and coins by the position that was liquidated (`long_liq_*`, `short_liq_*`), Gate's own sums.
- Stamps: seconds. `contract_stats` serves open interest and totals in one row: stamped T, it holds the flows of
  [T, T + 1 h) and the open interest observed at T. A figure that is absent is no row, never zero.
- Not established on the live exchange: what such a row's stamp means, and that its open interest counts one side.
"""

from datetime import date

from orchestration.exchanges.declaration import Declaration, Feed, FeedEpoch

DECLARATION = Declaration(
    exchange="gate",
    suffix="_USDT",
    market_types=("swap",),
    feeds={
        "instruments": Feed("futures/usdt/contracts", "perpetuals in USDT"),
        "candles": Feed("candlesticks", "1h, as far back as gate keeps them"),
        "open_interest": Feed("contract_stats", "1h, as far back as gate keeps them"),
        "funding_rates": Feed("funding_rate", "as far back as gate keeps them"),
        "liquidation_totals": Feed("contract_stats", "1h: gate's own long and short totals"),
        "liquidations": Feed(None, "single events would only repeat gate's hourly totals"),
    },
    epochs=(FeedEpoch("liquidation_totals", date(2019, 9, 1), "totals"),),
)
