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


def ask_contract(client: "ccxt.Exchange", symbol: str) -> list[dict]:
    """instruments-info of a contract that the listing lacks, which holds only what trades."""
    question = {"category": "linear", "symbol": symbol, "status": "Closed"}
    rows = wire.rows(client.publicGetV5MarketInstrumentsInfo(question), ("result", "list"), dict)
    usual = {"symbol": symbol, "contractType": "LinearPerpetual", "quoteCoin": "USDT", "settleCoin": "USDT"}
    return [row for row in rows if row.get("symbol") == symbol] or [{**usual, "status": "Closed"}]


def instruments(rows: list[dict], assets: Sequence[str]) -> pd.DataFrame:
    """A contract is one coin of its name (1000PEPE); `deliveryTime` is 0 unless it ends."""
    perpetuals = [row for row in _settled_in_usdt(rows) if _is_perpetual(row)]
    return wire.instruments(
        perpetuals,
        "bybit",
        assets,
        [row["symbol"].removesuffix("USDT") for row in perpetuals],
        [1] * len(perpetuals),
        wire.cells(perpetuals, "deliveryTime"),
        [row.get("status") in ENDED for row in perpetuals],
    )


def unknown_kinds(rows: list[dict]) -> list[tuple[str, str, str]]:
    """(ticker, native id, kind) of what is neither a perpetual nor dated."""
    return [
        (str(row.get("baseCoin")), native_id(row), str(row.get("contractType")))
        for row in _settled_in_usdt(rows)
        if not _is_perpetual(row) and not _is_dated(row)
    ]


def _settled_in_usdt(rows: list[dict]) -> list[dict]:
    return [
        row
        for row in rows
        if (row.get("quoteCoin"), row.get("settleCoin")) == ("USDT", "USDT")
        and row.get("status") != "PreLaunch"
        and isinstance(row.get("symbol"), str)
    ]


def _is_perpetual(row: Mapping) -> bool:
    is_known = str(row.get("contractType")).endswith("Perpetual") and row["symbol"].endswith("USDT")
    return is_known and not _is_dated(row)


def _is_dated(row: Mapping) -> bool:
    return str(row.get("contractType")).endswith("Futures") or "-" in row["symbol"]


def native_id(row: Mapping) -> str:
    """How Bybit calls an instrument, from its native row."""
    return row["symbol"]


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
