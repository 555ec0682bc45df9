"""Binance over REST: what to ask and how to read the answers. Its conventions stand in the docstring of its folder."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from orchestration.exchanges import wire
from orchestration.exchanges.paging import Endpoint, Window

if TYPE_CHECKING:
    import ccxt

ENDED = {"PRE_DELIVERING", "DELIVERING", "DELIVERED", "PRE_SETTLE", "SETTLING", "CLOSE"}
ID = "symbol"  # the cell that holds an instrument's native id


def list_instruments(client: "ccxt.Exchange") -> list[dict]:
    """Native rows of exchangeInfo."""
    return wire.rows(client.fapiPublicGetExchangeInfo(), ("symbols",), dict)


def instruments(rows: list[dict], assets: Sequence[str]) -> pd.DataFrame:
    """A contract is one coin; its `deliveryDate` lies in the year 2100 until an end is announced."""
    perpetuals = [
        row
        for row in rows
        if str(row.get("contractType")).endswith("PERPETUAL")  # TRADIFI_PERPETUAL too
        and (row.get("quoteAsset"), row.get("marginAsset")) == ("USDT", "USDT")
        and row.get("status") != "PENDING_TRADING"
        and (row.get("status") not in ENDED or wire.milliseconds(row.get("deliveryDate")) is not None)
    ]
    base, ends_at = wire.cells(perpetuals, "baseAsset"), wire.moments(wire.cells(perpetuals, "deliveryDate"))
    return wire.instruments(perpetuals, "binance", assets, base, [1] * len(perpetuals), ends_at)


def native_id(row: Mapping) -> str:
    """How Binance calls an instrument, from its native row."""
    return row[ID]


def ask_candles(client: "ccxt.Exchange", symbol: str, window: Window) -> list[list]:
    """klines of 1 h, both ends inclusive, oldest first."""
    bounds = {"startTime": window.first, "endTime": window.last, "limit": 1000}
    return wire.rows(client.fapiPublicGetKlines({"symbol": symbol, "interval": "1h", **bounds}), (), list)


def candles(rows: list[list], instrument: Mapping) -> pd.DataFrame:
    """[opened, open, high, low, close, volume in coins, closed, ...]"""
    return wire.candles(rows, instrument)


def ask_open_interest(client: "ccxt.Exchange", symbol: str, window: Window) -> list[dict]:
    """openInterestHist of 1 h, both ends inclusive; a start more than 30 days ago is refused (-1130)."""
    bounds = {"startTime": window.first, "endTime": window.last, "limit": 500}
    return wire.rows(client.fapiDataGetOpenInterestHist({"symbol": symbol, "period": "1h", **bounds}), (), dict)


def open_interest(rows: list[dict], instrument: Mapping) -> pd.DataFrame:
    """Coins and USD as given; Binance counts coins, not contracts."""
    columns = {
        "observed_at": wire.moments(wire.cells(rows, "timestamp")),
        "open_interest_contracts": wire.numbers([None] * len(rows)),
        "open_interest_base": wire.numbers(wire.cells(rows, "sumOpenInterest")),
        "open_interest_usd": wire.numbers(wire.cells(rows, "sumOpenInterestValue")),
    }
    return wire.frame(rows, instrument, columns)


def ask_funding_rates(client: "ccxt.Exchange", symbol: str, window: Window) -> list[dict]:
    """fundingRate, both ends inclusive, oldest first."""
    bounds = {"startTime": window.first, "endTime": window.last, "limit": 1000}
    return wire.rows(client.fapiPublicGetFundingRate({"symbol": symbol, **bounds}), (), dict)


def funding_rates(rows: list[dict], instrument: Mapping) -> pd.DataFrame:
    """Stamps carry milliseconds of jitter, which are kept."""
    funded_at = wire.moments(wire.cells(rows, "fundingTime"))
    return wire.funding_rates(rows, instrument, funded_at, wire.numbers(wire.cells(rows, "fundingRate")))


ENDPOINTS = (
    Endpoint(ask_candles, time=0, limit=1000, datasets={"candles": candles}),
    Endpoint(ask_open_interest, time="timestamp", limit=500, datasets={"open_interest": open_interest}),
    Endpoint(ask_funding_rates, time="fundingTime", limit=1000, datasets={"funding_rates": funding_rates}),
)
