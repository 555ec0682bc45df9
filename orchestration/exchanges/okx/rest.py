"""OKX over REST: what to ask and how to read the answers. Its conventions stand in the docstring of its folder."""

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from orchestration.exchanges import wire
from orchestration.exchanges.paging import Endpoint, Window

if TYPE_CHECKING:
    import ccxt

NOT_YET = {"preopen", "test"}
SUFFIX = "-USDT-SWAP"
RECENT_CANDLES = 1439  # market/candles reaches 1,440 bars back; ccxt, too, keeps one in hand


def list_instruments(client: "ccxt.Exchange") -> list[dict]:
    """Native rows of public/instruments."""
    return wire.rows(client.publicGetPublicInstruments({"instType": "SWAP"}), ("data",), dict)


def ask_contract(client: "ccxt.Exchange", symbol: str) -> list[dict]:
    """public/instruments of a contract that the listing lacks."""
    question = {"instType": "SWAP", "instId": symbol}
    rows = wire.rows(client.publicGetPublicInstruments(question), ("data",), dict)
    return [row for row in rows if row.get("instId") == symbol]


def instruments(rows: list[dict], assets: Sequence[str]) -> pd.DataFrame:
    """A contract is ctVal x ctMult coins; `expTime` is empty unless it ends."""
    swaps = [row for row in _settled_in_usdt(rows) if _is_swap(row)]
    return wire.instruments(
        swaps,
        "okx",
        assets,
        [row["instId"].removesuffix(SUFFIX) for row in swaps],
        wire.numbers(wire.cells(swaps, "ctVal")) * wire.numbers(wire.cells(swaps, "ctMult")),
        wire.cells(swaps, "expTime"),
        [row.get("state") == "expired" for row in swaps],
    )


def unknown_kinds(rows: list[dict]) -> list[tuple[str, str, str]]:
    """(ticker, native id, kind) of what is settled in USDT and no linear swap."""
    return [
        (native_id(row).partition("-")[0], native_id(row), f"{row.get('instType')} {row.get('ctType')}")
        for row in _settled_in_usdt(rows)
        if not _is_swap(row) and row.get("ctType") != "inverse"
    ]


def _settled_in_usdt(rows: list[dict]) -> list[dict]:
    return [
        row
        for row in rows
        if row.get("settleCcy") == "USDT" and row.get("state") not in NOT_YET and isinstance(row.get("instId"), str)
    ]


def _is_swap(row: Mapping) -> bool:
    return row.get("ctType") == "linear" and row["instId"].endswith(SUFFIX)


def native_id(row: Mapping) -> str:
    """How OKX calls an instrument, from its native row."""
    return row["instId"]


def ask_candles(client: "ccxt.Exchange", symbol: str, window: Window) -> list[list]:
    """Bars of 1H, both ends exclusive, newest first: recent ones from market/candles, older ones from its history."""
    is_recent = window.first >= window.now // wire.HOUR * wire.HOUR - RECENT_CANDLES * wire.HOUR
    ask = client.publicGetMarketCandles if is_recent else client.publicGetMarketHistoryCandles
    bounds = {"before": window.first - 1, "after": window.last + 1, "limit": 300}
    return wire.rows(ask({"instId": symbol, "bar": "1H", **bounds}), ("data",), list)


def candles(rows: list[list], instrument: Mapping) -> pd.DataFrame:
    """[opened, open, high, low, close, contracts, coins, USDT, confirm]; a bar that isn't confirmed is still open."""
    closed = [row for row in rows if wire.cells([row], 8) != ["0"]]
    return wire.candles(closed, instrument, volume_position=6)


def ask_open_interest(client: "ccxt.Exchange", symbol: str, window: Window) -> list[list]:
    """open-interest-history of 1H, newest first.

    Whether `begin` and `end` are inclusive is not documented: a millisecond outside the first and last full hour
    means the same hours either way.
    """
    bounds = {"begin": window.first - 1, "end": window.last // wire.HOUR * wire.HOUR + 1, "limit": 100}
    question = {"instId": symbol, "period": "1H", **bounds}
    return wire.rows(client.publicGetRubikStatContractsOpenInterestHistory(question), ("data",), list)


def open_interest(rows: list[list], instrument: Mapping) -> pd.DataFrame:
    """[stamp, contracts, coins, USD]"""
    columns = {"observed_at": wire.moments(wire.cells(rows, 0))}
    for position, name in enumerate(("open_interest_contracts", "open_interest_base", "open_interest_usd"), start=1):
        columns[name] = wire.numbers(wire.cells(rows, position))
    return wire.frame(rows, instrument, columns)


def ask_funding_rates(client: "ccxt.Exchange", symbol: str, window: Window) -> list[dict]:
    """funding-rate-history, both ends exclusive, newest first."""
    bounds = {"before": window.first - 1, "after": window.last + 1, "limit": 100}
    return wire.rows(client.publicGetPublicFundingRateHistory({"instId": symbol, **bounds}), ("data",), dict)


def funding_rates(rows: list[dict], instrument: Mapping) -> pd.DataFrame:
    """`realizedRate` is what was paid; `fundingRate`, the forecast, only where it is absent."""
    paid = wire.numbers(wire.cells(rows, "realizedRate"))
    rate = np.where(np.isnan(paid), wire.numbers(wire.cells(rows, "fundingRate")), paid)
    return wire.funding_rates(rows, instrument, wire.moments(wire.cells(rows, "fundingTime")), rate)


def ask_liquidations(client: "ccxt.Exchange", symbol: str, before: int) -> list[dict]:
    """The newest liquidation orders older than `before`: native rows with one entry in `details` each.

    The endpoint is missing from ccxt's implicit methods. It wants the family (BTC-USDT of BTC-USDT-SWAP).
    """
    family = {"instType": "SWAP", "instFamily": symbol.removesuffix("-SWAP"), "state": "filled"}
    question = {**family, "after": before, "limit": 100}
    answer = client.request("public/liquidation-orders", ["public"], "GET", question, config={"cost": 1})
    return [
        {**row, "details": [detail]}
        for row in wire.rows(answer, ("data",), dict)
        for detail in wire.rows(row, ("details",), dict)
        if row.get("instId") == symbol
    ]


def liquidation_stamp(row: Mapping) -> int | None:
    """When a row of `ask_liquidations` happened, in milliseconds."""
    return wire.milliseconds(row["details"][0].get("ts"))


def liquidations(rows: list[dict], instrument: Mapping) -> pd.DataFrame:
    """sz contracts were closed at bankruptcy price bkPx: coins = sz x contract size, USD = coins x bkPx.

    `posSide` names the position; in net mode (`net`) the order's side does: who was long is sold.
    """
    details = [row["details"][0] for row in rows]
    sides = [_position_side(detail) for detail in details]
    identities, times = [], Counter[str | None]()
    for row, detail, side in zip(rows, details, sides, strict=True):
        identity = _identity(row.get("instId"), detail, side)
        times[identity] += 1
        is_again = identity is not None and times[identity] > 1
        identities.append(f"{identity}:{times[identity]}" if is_again else identity)
    price = wire.numbers(wire.cells(details, "bkPx"))
    occurred_at = wire.moments(wire.cells(details, "ts"))
    quantity = wire.numbers(wire.cells(details, "sz")) * wire.contract_sizes(instrument, occurred_at)
    columns = {
        "event_id": pd.Series(identities, dtype="object"),
        "occurred_at": occurred_at,
        "position_side": pd.Series(sides, dtype="object"),
        "price": price,
        "price_kind": "bankruptcy",
        "quantity_base": quantity,
        "notional_usd": quantity * price,
    }
    return wire.frame(rows, instrument, columns)


def _position_side(detail: Mapping) -> str | None:
    if detail.get("posSide") in ("long", "short"):
        return detail["posSide"]
    return {"sell": "long", "buy": "short"}.get(str(detail.get("side")))  # a cell could be a list, which has no hash


def _identity(symbol: str | None, detail: Mapping, side: str | None) -> str | None:
    """OKX gives no id: what an event says of itself has to do. Numbers are normalised: feeds pad them differently."""
    stamp = wire.milliseconds(detail.get("ts"))
    try:
        price, size = (format(Decimal(str(detail.get(name))).normalize(), "f") for name in ("bkPx", "sz"))
    except InvalidOperation:
        return None
    return None if stamp is None or side is None else f"{symbol}:{stamp}:{side}:{price}:{size}"


ENDPOINTS = (
    Endpoint(ask_candles, time=0, limit=300, datasets={"candles": candles}),
    Endpoint(ask_open_interest, time=0, limit=100, datasets={"open_interest": open_interest}),
    Endpoint(ask_funding_rates, time="fundingTime", limit=100, datasets={"funding_rates": funding_rates}),
)
