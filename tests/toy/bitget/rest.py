"""Bitget over REST: what to ask and how to read the answers. Its conventions stand in the docstring of its folder."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from orchestration.exchanges import wire
from orchestration.exchanges.paging import Endpoint, Window

if TYPE_CHECKING:
    import ccxt

LISTED = {"productType": "USDT-FUTURES"}


def list_instruments(client: "ccxt.Exchange") -> list[dict]:
    """Native rows of mix/market/contracts."""
    return wire.rows(client.publicMixGetV2MixMarketContracts(LISTED), ("data",), dict)


def instruments(rows: list[dict], assets: Sequence[str]) -> pd.DataFrame:
    """A contract is one coin."""
    perpetuals = [row for row in rows if (row.get("symbolType"), row.get("symbolStatus")) == ("perpetual", "normal")]
    return wire.instruments(
        perpetuals, "bitget", assets, [row["symbol"].removesuffix("USDT") for row in perpetuals], [1] * len(perpetuals)
    )


def unknown_kinds(rows: list[dict]) -> list[tuple[str, str, str]]:
    """(ticker, native id, kind) of what is listed and no perpetual."""
    kinds = {"perpetual", "delivery"}
    return [(row["baseCoin"], row["symbol"], row["symbolType"]) for row in rows if row["symbolType"] not in kinds]


def ask_contract(client: "ccxt.Exchange", symbol: str) -> list[dict]:
    """mix/market/contracts of one contract that the listing lacks."""
    return wire.rows(client.publicMixGetV2MixMarketContracts(LISTED | {"symbol": symbol}), ("data",), dict)


def native_id(row: Mapping) -> str:
    """How Bitget calls an instrument, from its native row."""
    return row["symbol"]


def ask_candles(client: "ccxt.Exchange", symbol: str, window: Window) -> list[list]:
    """history-candles of 1H; a millisecond more at the end asks for the same bars, inclusive or not."""
    bounds = {"startTime": window.first, "endTime": window.last + 1, "limit": 200}
    question = {**LISTED, "symbol": symbol, "granularity": "1H", **bounds}
    return wire.rows(client.publicMixGetV2MixMarketHistoryCandles(question), ("data",), list)


def candles(rows: list[list], instrument: Mapping) -> pd.DataFrame:
    """[opened, open, high, low, close, volume in coins, volume in USDT]"""
    return wire.candles(rows, instrument)


ENDPOINTS = (Endpoint(ask_candles, time=0, limit=200, datasets={"candles": candles}),)
