"""Gate over REST: what to ask and how to read the answers. Its conventions stand in the docstring of its folder."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from orchestration.exchanges import wire
from orchestration.exchanges.paging import Endpoint, Window

if TYPE_CHECKING:
    import ccxt

SECOND = 1000  # milliseconds
ENDS = ("delisted_time", "delisting_time")  # seconds; 0 or absent while no end is announced
LARGEST_DEVIATION = 0.05  # of the mark price from what open interest is valued at
OLDEST_CANDLE = 9999  # "Candlestick too long ago. Maximum 10000 points ago are allowed"
ID = "name"  # the cell that holds an instrument's native id


def list_instruments(client: "ccxt.Exchange") -> list[dict]:
    """Native rows of futures/usdt/contracts."""
    return wire.rows(client.publicFuturesGetSettleContracts({"settle": "usdt"}), (), dict)


def instruments(rows: list[dict], assets: Sequence[str]) -> pd.DataFrame:
    """A contract is quanto_multiplier coins; what is delisted, or will be, says when."""
    perpetuals = [
        row
        for row in rows
        if str(row.get("name")).endswith("_USDT")
        and row.get("status") != "prelaunch"
        and (row.get("status") != "delisted" or _end(row) is not None)
    ]
    base = [row["name"].removesuffix("_USDT") for row in perpetuals]
    ends_at = wire.moments([_end(row) for row in perpetuals], SECOND)
    return wire.instruments(perpetuals, "gate", assets, base, wire.cells(perpetuals, "quanto_multiplier"), ends_at)


def _end(row: Mapping) -> object:
    """When a contract ends, in seconds; None while no end is announced."""
    stated = (row.get(name) for name in ENDS)
    return next((cell for cell in stated if wire.milliseconds(cell, SECOND) is not None), None)


def native_id(row: Mapping) -> str:
    """How Gate calls an instrument, from its native row."""
    return row[ID]


def ask_candles(client: "ccxt.Exchange", symbol: str, window: Window) -> list[dict]:
    """candlesticks of 1h, both ends inclusive, oldest first; a limit beside them and bars too old are refused."""
    import ccxt

    question = {"settle": "usdt", "contract": symbol, "interval": "1h"}
    try:
        answer = client.publicFuturesGetSettleCandlesticks(question | _bounds(window))
    except ccxt.BadRequest as error:
        kept = window._replace(first=max(window.first, window.now - OLDEST_CANDLE * wire.HOUR))
        if "too long ago" not in str(error) or kept == window:
            raise
        return [] if kept.first > kept.last else ask_candles(client, symbol, kept)
    return wire.rows(answer, (), dict)


def candles(rows: list[dict], instrument: Mapping) -> pd.DataFrame:
    """`v` counts contracts."""
    columns = {"opened_at": wire.moments(wire.cells(rows, "t"), SECOND)}
    for key, name in (("o", "open"), ("h", "high"), ("l", "low"), ("c", "close")):
        columns[name] = wire.numbers(wire.cells(rows, key))
    columns["volume_base"] = wire.numbers(wire.cells(rows, "v")) * instrument["contract_size"]
    return wire.frame(rows, instrument, columns)


def ask_contract_stats(client: "ccxt.Exchange", symbol: str, window: Window) -> list[dict]:
    """contract_stats of 1h, oldest first. It knows no end: the limit is the number of hours asked for."""
    hours = (window.last - window.first) // wire.HOUR + 1
    question = {"settle": "usdt", "contract": symbol, "interval": "1h", "limit": hours}
    answer = client.publicFuturesGetSettleContractStats({**question, "from": _bounds(window)["from"]})
    return wire.rows(answer, (), dict)


def open_interest(rows: list[dict], instrument: Mapping) -> pd.DataFrame:
    """`open_interest` counts contracts; its value in USD is given."""
    stated = [row for row in rows if row.get("open_interest") is not None or row.get("open_interest_usd") is not None]
    count = wire.numbers(wire.cells(stated, "open_interest"))
    usd, price = (wire.numbers(wire.cells(stated, name)) for name in ("open_interest_usd", "mark_price"))
    columns = {
        "observed_at": wire.moments(wire.cells(stated, "time"), SECOND),
        "open_interest_contracts": count,
        "open_interest_base": count * instrument["contract_size"],
        "open_interest_usd": usd,
    }
    faults = _contradictions(usd, count * price, instrument["contract_size"])
    if any(faults):
        columns["fault"] = faults
    return wire.frame(stated, instrument, columns)


def _contradictions(usd: np.ndarray, worth_of_one: np.ndarray, contract_size: float) -> list[str | None]:
    """Where a row's USD, contracts and price imply another contract size than the one it is read with."""
    with np.errstate(invalid="ignore", divide="ignore"):
        stated_size = usd / worth_of_one
        contradicts = np.isfinite(stated_size) & (np.abs(stated_size / contract_size - 1) > LARGEST_DEVIATION)
    return [
        f"its USD are those of contracts of {size:.6g} coins, not of {contract_size:.6g}" if is_other else None
        for size, is_other in zip(stated_size, contradicts, strict=True)
    ]


def liquidation_totals(rows: list[dict], instrument: Mapping) -> pd.DataFrame:
    """USD as given; coins are `*_liq_amount`, or `*_liq_size` contracts where it is absent."""
    stated = [row for row in rows if row.get("long_liq_usd") is not None and row.get("short_liq_usd") is not None]
    columns = {"period_start_at": wire.moments(wire.cells(stated, "time"), SECOND)}
    columns |= {f"{side}_usd": wire.numbers(wire.cells(stated, f"{side}_liq_usd")) for side in ("long", "short")}
    for side in ("long", "short"):
        coins = wire.numbers(wire.cells(stated, f"{side}_liq_amount"))
        count = wire.numbers(wire.cells(stated, f"{side}_liq_size"))
        columns[f"{side}_base"] = np.where(np.isnan(coins), count * instrument["contract_size"], coins)
    return wire.frame(stated, instrument, columns)


def ask_funding_rates(client: "ccxt.Exchange", symbol: str, window: Window) -> list[dict]:
    """funding_rate, both ends inclusive, newest first."""
    question = {"settle": "usdt", "contract": symbol, "limit": 1000}
    return wire.rows(client.publicFuturesGetSettleFundingRate(question | _bounds(window)), (), dict)


def funding_rates(rows: list[dict], instrument: Mapping) -> pd.DataFrame:
    """{"t": seconds, "r": rate}"""
    funded_at = wire.moments(wire.cells(rows, "t"), SECOND)
    return wire.funding_rates(rows, instrument, funded_at, wire.numbers(wire.cells(rows, "r")))


def _bounds(window: Window) -> dict[str, int]:
    """The whole seconds inside a window."""
    return {"from": -(-window.first // SECOND), "to": window.last // SECOND}


ENDPOINTS = (
    Endpoint(ask_candles, time="t", unit=SECOND, limit=1999, datasets={"candles": candles}),
    Endpoint(
        ask_contract_stats,
        time="time",
        unit=SECOND,
        limit=100,
        datasets={"open_interest": open_interest, "liquidation_totals": liquidation_totals},
    ),
    Endpoint(ask_funding_rates, time="t", unit=SECOND, limit=1000, datasets={"funding_rates": funding_rates}),
)
