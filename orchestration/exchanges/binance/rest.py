"""Binance over REST: what to ask and how to read the answers. Its conventions stand in the docstring of its folder."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from orchestration.exchanges import wire
from orchestration.exchanges.paging import Endpoint, Window

if TYPE_CHECKING:
    import ccxt

ENDED = {"PRE_DELIVERING", "DELIVERING", "DELIVERED", "PRE_SETTLE", "SETTLING", "CLOSE"}
DATED = re.compile(r"MONTH|QUARTER|WEEK")


def list_instruments(client: "ccxt.Exchange") -> list[dict]:
    """Native rows of exchangeInfo."""
    return wire.rows(client.fapiPublicGetExchangeInfo(), ("symbols",), dict)


def ask_contract(client: "ccxt.Exchange", symbol: str) -> list[dict]:
    """What the listing would say of a contract that it lacks. Binance isn't asked: a contract is one coin always."""
    return [
        {"symbol": symbol, "contractType": "PERPETUAL", "status": "CLOSE", "quoteAsset": "USDT", "marginAsset": "USDT"}
    ]


def instruments(rows: list[dict], assets: Sequence[str]) -> pd.DataFrame:
    """A contract is one coin of its name (1000PEPE); `deliveryDate` lies in 2100 unless it ends."""
    perpetuals = [row for row in _margined_in_usdt(rows) if _is_perpetual(row)]
    return wire.instruments(
        perpetuals,
        "binance",
        assets,
        [row["symbol"].removesuffix("USDT") for row in perpetuals],
        [1] * len(perpetuals),
        wire.cells(perpetuals, "deliveryDate"),
        [row.get("status") in ENDED for row in perpetuals],
    )


def unknown_kinds(rows: list[dict]) -> list[tuple[str, str, str]]:
    """(ticker, native id, kind) of what is neither a perpetual nor dated."""
    return [
        (str(row.get("baseAsset")), native_id(row), str(row.get("contractType")))
        for row in _margined_in_usdt(rows)
        if not _is_perpetual(row) and not _is_dated(row)
    ]


def _margined_in_usdt(rows: list[dict]) -> list[dict]:
    return [
        row
        for row in rows
        if (row.get("quoteAsset"), row.get("marginAsset")) == ("USDT", "USDT")
        and row.get("status") != "PENDING_TRADING"
        and isinstance(row.get("symbol"), str)
    ]


def _is_perpetual(row: Mapping) -> bool:
    """Kinds come and go (TRADIFI_PERPETUAL); what is settled may have lost its kind."""
    kind = str(row.get("contractType") or "")
    is_known = "PERPETUAL" in kind or (not kind and row.get("status") in ENDED)
    return is_known and row["symbol"].endswith("USDT") and not _is_dated(row)


def _is_dated(row: Mapping) -> bool:
    return bool(DATED.search(str(row.get("contractType"))) or re.search(r"_\d{6}$", row["symbol"]))


def native_id(row: Mapping) -> str:
    """How Binance calls an instrument, from its native row."""
    return row["symbol"]


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
