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
MOST_OFF = 1.05  # times: a mark price is not the price of every trade, but nearer than that
OLDEST_CANDLE = 9999  # "Candlestick too long ago. Maximum 10000 points ago are allowed"


def list_instruments(client: "ccxt.Exchange") -> list[dict]:
    """Native rows of futures/usdt/contracts."""
    return wire.rows(client.publicFuturesGetSettleContracts({"settle": "usdt"}), (), dict)


def ask_contract(client: "ccxt.Exchange", symbol: str) -> list[dict]:
    """futures/usdt/contracts of one contract that the listing lacks."""
    row = client.publicFuturesGetSettleContractsContract({"settle": "usdt", "contract": symbol})
    return [one for one in wire.rows([row], (), dict) if one.get("name") == symbol]


def instruments(rows: list[dict], assets: Sequence[str]) -> pd.DataFrame:
    """A contract is quanto_multiplier coins. One in delisting without positions has ended, by Gate's documentation."""
    perpetuals = [row for row in _listed(rows) if _is_perpetual(row)]
    has_ended = [_has_ended(row) for row in perpetuals]
    return wire.instruments(
        perpetuals,
        "gate",
        assets,
        [row["name"].removesuffix("_USDT") for row in perpetuals],
        wire.cells(perpetuals, "quanto_multiplier"),
        [_end(row, ended) for row, ended in zip(perpetuals, has_ended, strict=True)],
        has_ended,
        SECOND,
    )


def unknown_kinds(rows: list[dict]) -> list[tuple[str, str, str]]:
    """(ticker, native id, kind) of what is no linear perpetual."""
    return [
        (native_id(row).partition("_")[0], native_id(row), f"type {row.get('type')}")
        for row in _listed(rows)
        if not _is_perpetual(row) and "_USDT" in row["name"]
    ]


def _listed(rows: list[dict]) -> list[dict]:
    return [row for row in rows if isinstance(row.get("name"), str) and row.get("status") != "prelaunch"]


def _is_perpetual(row: Mapping) -> bool:
    return row["name"].endswith("_USDT") and row["name"].count("_") == 1 and row.get("type") != "inverse"


def _has_ended(row: Mapping) -> bool:
    is_empty = row.get("in_delisting") is True and (wire.numbers([row.get("position_size")]) == 0).all()
    return row.get("status") == "delisted" or is_empty


def _end(row: Mapping, has_ended: bool) -> object:
    """When a contract is delisted; `delisting_time`, when positions begin to shrink, if no positions are told of."""
    has_positions = bool((wire.numbers([row.get("position_size")]) > 0).all())
    return row.get("delisted_time") or (None if has_positions and not has_ended else row.get("delisting_time"))


def native_id(row: Mapping) -> str:
    """How Gate calls an instrument, from its native row."""
    return row["name"]


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
    """`v` counts contracts. If `sum`, their value in USDT, says that the size isn't theirs, the volume is not known."""
    opened_at = wire.moments(wire.cells(rows, "t"), SECOND)
    prices = {
        name: wire.numbers(wire.cells(rows, key))
        for key, name in (("o", "open"), ("h", "high"), ("l", "low"), ("c", "close"))
    }
    volume = wire.numbers(wire.cells(rows, "v")) * wire.contract_sizes(instrument, opened_at)
    value = wire.numbers(wire.cells(rows, "sum"))
    is_off = (value > volume * prices["high"] * MOST_OFF) | (value * MOST_OFF < volume * prices["low"])
    columns = {"opened_at": opened_at, **prices, "volume_base": np.where(is_off, np.nan, volume)}
    return wire.frame(rows, instrument, columns)


def ask_contract_stats(client: "ccxt.Exchange", symbol: str, window: Window) -> list[dict]:
    """contract_stats of 1h, oldest first. It knows no end: the limit is the number of hours asked for."""
    hours = (window.last - window.first) // wire.HOUR + 1
    question = {"settle": "usdt", "contract": symbol, "interval": "1h", "limit": hours}
    answer = client.publicFuturesGetSettleContractStats({**question, "from": _bounds(window)["from"]})
    return wire.rows(answer, (), dict)


def open_interest(rows: list[dict], instrument: Mapping) -> pd.DataFrame:
    """`open_interest` counts contracts; its value in USD is given. A row that contradicts the size says so."""
    stated = [row for row in rows if row.get("open_interest") is not None or row.get("open_interest_usd") is not None]
    observed_at = wire.moments(wire.cells(stated, "time"), SECOND)
    count = wire.numbers(wire.cells(stated, "open_interest"))
    size = wire.contract_sizes(instrument, observed_at)
    columns = {
        "observed_at": observed_at,
        "open_interest_contracts": count,
        "open_interest_base": count * size,
        "open_interest_usd": wire.numbers(wire.cells(stated, "open_interest_usd")),
    }
    stated_size = _stated_size(stated)
    faults = [
        f"contract_size: {held:g} contradicts {told:g} by open_interest_usd, open_interest and mark_price"
        if off
        else None
        for held, told, off in zip(size, stated_size, _contradicts(size, stated_size), strict=True)
    ]
    return wire.frame(stated, instrument, columns | {"fault": pd.Series(faults, dtype="object")})


def liquidation_totals(rows: list[dict], instrument: Mapping) -> pd.DataFrame:
    """USD as given; coins are `*_liq_amount`, or `*_liq_size` contracts where it is absent and the size no doubt."""
    stated = [row for row in rows if row.get("long_liq_usd") is not None and row.get("short_liq_usd") is not None]
    period_start_at = wire.moments(wire.cells(stated, "time"), SECOND)
    size = wire.contract_sizes(instrument, period_start_at)
    size = np.where(_contradicts(size, _stated_size(stated)), np.nan, size)
    columns = {"period_start_at": period_start_at}
    columns |= {f"{side}_usd": wire.numbers(wire.cells(stated, f"{side}_liq_usd")) for side in ("long", "short")}
    for side in ("long", "short"):
        coins = wire.numbers(wire.cells(stated, f"{side}_liq_amount"))
        count = wire.numbers(wire.cells(stated, f"{side}_liq_size"))
        columns[f"{side}_base"] = np.where(np.isnan(coins), count * size, coins)
    return wire.frame(stated, instrument, columns)


def _stated_size(rows: list[dict]) -> np.ndarray:
    """The contract size that a row of contract_stats implies: USD / (contracts x mark); NaN where it doesn't tell."""
    usd = wire.numbers(wire.cells(rows, "open_interest_usd"))
    worth = wire.numbers(wire.cells(rows, "open_interest")) * wire.numbers(wire.cells(rows, "mark_price"))
    return np.divide(usd, worth, out=np.full(len(rows), np.nan), where=(worth > 0) & (usd > 0))


def _contradicts(size: np.ndarray, stated: np.ndarray) -> np.ndarray:
    return (stated > size * MOST_OFF) | (stated * MOST_OFF < size)


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
