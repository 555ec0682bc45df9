"""Bitget over REST: what to ask and how to read the answers. Its conventions stand in the docstring of its folder."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from orchestration.exchanges import wire
from orchestration.exchanges.paging import Endpoint, Window

if TYPE_CHECKING:
    import ccxt

LISTED = {"productType": "USDT-FUTURES"}
ID = "symbol"  # the cell that holds an instrument's native id


def list_instruments(client: "ccxt.Exchange") -> list[dict]:
    """Native rows of mix/market/contracts."""
    return wire.rows(client.publicMixGetV2MixMarketContracts(LISTED), ("data",), dict)


def instruments(rows: list[dict], assets: Sequence[str]) -> pd.DataFrame:
    """A contract is one coin."""
    perpetuals = [row for row in rows if (row.get("symbolType"), row.get("symbolStatus")) == ("perpetual", "normal")]
    return wire.instruments(perpetuals, "bitget", assets, wire.cells(perpetuals, "baseCoin"), [1] * len(perpetuals))


def native_id(row: Mapping) -> str:
    """How Bitget calls an instrument, from its native row."""
    return row[ID]


def ask_candles(client: "ccxt.Exchange", symbol: str, window: Window) -> list[list]:
    """history-candles of 1H; a millisecond more at the end asks for the same bars, inclusive or not."""
    bounds = {"startTime": window.first, "endTime": window.last + 1, "limit": 200}
    question = {**LISTED, "symbol": symbol, "granularity": "1H", **bounds}
    return wire.rows(client.publicMixGetV2MixMarketHistoryCandles(question), ("data",), list)


def candles(rows: list[list], instrument: Mapping) -> pd.DataFrame:
    """[opened, open, high, low, close, volume in coins, volume in USDT]"""
    return wire.candles(rows, instrument)


ENDPOINTS = (Endpoint(ask_candles, time=0, limit=200, datasets={"candles": candles}),)
