"""Bybit over REST: what to ask and how to read the answers. Its conventions stand in the docstring of its folder."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from orchestration.exchanges import wire
from orchestration.exchanges.paging import Endpoint, Window

if TYPE_CHECKING:
    import ccxt

ENDED = {"Delivering", "Closed"}
ID = "symbol"  # the cell that holds an instrument's native id


def list_instruments(client: "ccxt.Exchange") -> list[dict]:
    """Native rows of instruments-info, all its pages."""
    rows, cursor, asked = [], "", set()
    while cursor not in asked:
        asked.add(cursor)
        question = {"category": "linear", "limit": 1000} | ({"cursor": cursor} if cursor else {})
        answer = client.publicGetV5MarketInstrumentsInfo(question)
        rows += wire.rows(answer, ("result", "list"), dict)
        cursor = answer["result"].get("nextPageCursor") or ""
    return rows


def instruments(rows: list[dict], assets: Sequence[str]) -> pd.DataFrame:
    """A contract is one coin; its `deliveryTime` is 0 until an end is announced."""
    perpetuals = [
        row
        for row in rows
        if str(row.get("contractType")).endswith("Perpetual")
        and (row.get("quoteCoin"), row.get("settleCoin")) == ("USDT", "USDT")
        and row.get("status") != "PreLaunch"
        and (row.get("status") not in ENDED or wire.milliseconds(row.get("deliveryTime")) is not None)
    ]
    base, ends_at = wire.cells(perpetuals, "baseCoin"), wire.moments(wire.cells(perpetuals, "deliveryTime"))
    return wire.instruments(perpetuals, "bybit", assets, base, [1] * len(perpetuals), ends_at)


def native_id(row: Mapping) -> str:
    """How Bybit calls an instrument, from its native row."""
    return row[ID]


def ask_candles(client: "ccxt.Exchange", symbol: str, window: Window) -> list[list]:
    """kline of 60 min, both ends inclusive, newest first."""
    bounds = {"start": window.first, "end": window.last, "limit": 1000}
    question = {"category": "linear", "symbol": symbol, "interval": "60", **bounds}
    return wire.rows(client.publicGetV5MarketKline(question), ("result", "list"), list)


def candles(rows: list[list], instrument: Mapping) -> pd.DataFrame:
    """[opened, open, high, low, close, volume in coins, turnover in USDT]"""
    return wire.candles(rows, instrument)


def ask_open_interest(client: "ccxt.Exchange", symbol: str, window: Window) -> list[dict]:
    """open-interest of 1 h, both ends inclusive, newest first; a start without an end is ignored by Bybit."""
    bounds = {"startTime": window.first, "endTime": window.last, "limit": 200}
    question = {"category": "linear", "symbol": symbol, "intervalTime": "1h", **bounds}
    return wire.rows(client.publicGetV5MarketOpenInterest(question), ("result", "list"), dict)


def open_interest(rows: list[dict], instrument: Mapping) -> pd.DataFrame:
    """Coins of one side: `singleOpenInterest`, else half of `openInterest`."""
    both_sides = wire.numbers(wire.cells(rows, "openInterest"))
    one_side = wire.numbers(wire.cells(rows, "singleOpenInterest"))
    columns = {
        "observed_at": wire.moments(wire.cells(rows, "timestamp")),
        "open_interest_contracts": wire.numbers([None] * len(rows)),
        "open_interest_base": np.where(np.isnan(one_side), both_sides / 2, one_side),
        "open_interest_usd": wire.numbers([None] * len(rows)),
    }
    return wire.frame(rows, instrument, columns)


def ask_funding_rates(client: "ccxt.Exchange", symbol: str, window: Window) -> list[dict]:
    """funding/history, both ends inclusive, newest first; a start without an end is refused by Bybit."""
    bounds = {"startTime": window.first, "endTime": window.last, "limit": 200}
    question = {"category": "linear", "symbol": symbol, **bounds}
    return wire.rows(client.publicGetV5MarketFundingHistory(question), ("result", "list"), dict)


def funding_rates(rows: list[dict], instrument: Mapping) -> pd.DataFrame:
    """Settled rates at `fundingRateTimestamp`."""
    funded_at = wire.moments(wire.cells(rows, "fundingRateTimestamp"))
    return wire.funding_rates(rows, instrument, funded_at, wire.numbers(wire.cells(rows, "fundingRate")))


ENDPOINTS = (
    Endpoint(ask_candles, time=0, limit=1000, datasets={"candles": candles}),
    Endpoint(ask_open_interest, time="timestamp", limit=200, datasets={"open_interest": open_interest}),
    Endpoint(ask_funding_rates, time="fundingRateTimestamp", limit=200, datasets={"funding_rates": funding_rates}),
)
