"""From cells of native rows to typed columns.

Here belongs what every exchange's rows have in common: figures as text or number, moments in milliseconds or seconds,
rows kept as JSON. Which cell means what lives in the module of the exchange.

A cell that can't be read becomes NULL and its row goes on to the border, which quarantines it; an answer of another
shape than the one documented is no answer (BadResponse) and is asked for again.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

HOUR = 3_600_000  # milliseconds
LATEST = 4_102_444_800_000  # 2100-01-01: a later stamp is no stamp
FUNDING_INTERVALS_HOURS = (1, 2, 4, 6, 8)

# Tickers that count a coin by the thousand or more: 1000PEPE, 1000000MOG, 1MBABYDOGE, kPEPE, SHIB1000.
BY_THE_THOUSAND = re.compile(r"(?P<front>10{3,}|1M|k)(?P<coin>.+)|(?P<name>.+?)(?P<back>10{3,})")

compact = json.JSONEncoder(separators=(",", ":")).encode
"""A native row as compact JSON (json.dumps would build its encoder anew for every row)."""


def rows(answer: object, path: Sequence[str], row_type: type) -> list:
    """The list of rows at `path` in an answer, each a `row_type`. Raises ccxt's BadResponse for any other shape."""
    import ccxt

    part = answer
    for name in path:
        part = part.get(name) if isinstance(part, dict) else None
    if not isinstance(part, list) or not all(isinstance(row, row_type) for row in part):
        raise ccxt.BadResponse(f"it answered with {_kind(answer)} instead of a list of rows")
    return part


def cells(rows: list, key: int | str) -> list:
    """One cell of every row, by position or by name; None where a row lacks it."""
    if isinstance(key, int):
        return [row[key] if len(row) > key else None for row in rows]
    return [row.get(key) for row in rows]


def numbers(values: Sequence) -> np.ndarray:
    """Figures as float64, each as close to its text as a double can be; NaN where there is none."""
    return np.fromiter((_number(value) for value in values), dtype="float64", count=len(values))


def milliseconds(value: object, unit: int = 1) -> int | None:
    """A stamp in milliseconds since 1970 of a cell that counts `unit` milliseconds; None if it can't be one."""
    number = _number(value)
    if math.isnan(number) or not 0 < number * unit < LATEST:
        return None
    return int(number * unit)


def moments(values: Sequence, unit: int = 1) -> pd.Series:
    """Stamps as datetime64[us, UTC]; NaT where a cell is none."""
    stamps = [milliseconds(value, unit) for value in values]
    known = np.array([np.iinfo("int64").min if stamp is None else stamp for stamp in stamps], dtype="int64")
    return pd.Series(known.view("datetime64[ms]").astype("datetime64[us]")).dt.tz_localize("UTC")


def frame(rows: list, instrument: Mapping, columns: Mapping[str, object]) -> pd.DataFrame:
    """`exchange`, `symbol`, the given columns, and `payload`: each native row as compact JSON."""
    return pd.DataFrame(
        {
            "exchange": instrument["exchange"],
            "symbol": instrument["symbol"],
            **columns,
            "payload": [compact(row) for row in rows],
        }
    )


def candles(rows: list[list], instrument: Mapping, volume_position: int = 5) -> pd.DataFrame:
    """Rows of candles from arrays that begin with opened (ms), open, high, low, close; the volume is in coins."""
    columns: dict[str, object] = {"opened_at": moments(cells(rows, 0))}
    for position, name in enumerate(("open", "high", "low", "close"), start=1):
        columns[name] = numbers(cells(rows, position))
    return frame(rows, instrument, columns | {"volume_base": numbers(cells(rows, volume_position))})


def funding_rates(rows: list, instrument: Mapping, funded_at: pd.Series, rate: np.ndarray) -> pd.DataFrame:
    """Rows of funding_rates in order of time; `interval_hours` is the number of hours since the settlement before.

    NULL for the first settlement, of which nobody knows one before, and where it isn't 1, 2, 4, 6 or 8: then one is
    missing in between.
    """
    settled = frame(rows, instrument, {"funded_at": funded_at, "rate": rate})
    settled = settled.sort_values("funded_at", ignore_index=True)
    hours = (settled["funded_at"].diff() / pd.Timedelta(hours=1)).round()
    settled.insert(4, "interval_hours", hours.where(hours.isin(FUNDING_INTERVALS_HOURS)))
    return settled


def coin(ticker: str, assets: Sequence[str]) -> tuple[str, float]:
    """The coin that a ticker counts and how many of them are one unit of it: 1000PEPE is ("PEPE", 1000).

    Only what is left of one of `assets` is a multiplier: 1INCH is a coin, and so is a ticker that is watched itself.
    """
    match = BY_THE_THOUSAND.fullmatch(ticker)
    if ticker in assets or match is None:
        return ticker, 1.0
    name = match["coin"] or match["name"]
    times = {"1M": 1e6, "k": 1e3}.get(match["front"]) or float(match["front"] or match["back"])
    return (name, times) if name in assets else (ticker, 1.0)


def instruments(
    rows: list,
    exchange: str,
    assets: Sequence[str],
    base: Sequence,
    contract_size: Sequence,
    ends_at: pd.Series | None = None,
) -> pd.DataFrame:
    """Rows of instruments for linear perpetuals quoted and settled in USDT whose coin is one of `assets`.

    `base` are their tickers, which stay in `symbol`; `contract_size` counts these. `ends_at` is NaT where a contract
    has no end, and everywhere where the exchange states none.
    """
    coins = [coin(str(ticker), assets) for ticker in base]
    listed = pd.DataFrame(
        {
            "exchange": exchange,
            "symbol": [f"{ticker}/USDT:USDT" for ticker in base],
            "asset": [asset for asset, _ in coins],
            "quote": "USDT",
            "settle": "USDT",
            "contract_kind": "linear",
            "contract_size": numbers(contract_size),
            "multiplier": [multiplier for _, multiplier in coins],
            "ends_at": pd.NaT if ends_at is None else ends_at.to_numpy(),
            "payload": [compact(row) for row in rows],
        }
    )
    listed["ends_at"] = pd.to_datetime(listed["ends_at"], utc=True).astype("datetime64[us, UTC]")
    return listed[listed["asset"].isin(assets)].drop_duplicates("symbol").reset_index(drop=True)


def in_coins(rows: pd.DataFrame, multiplier: float) -> pd.DataFrame:
    """Rows that count a ticker's units, in coins: `multiplier` times as many, at a price that is by it smaller."""
    if multiplier == 1:
        return rows
    quantities = [name for name in rows.columns if name.endswith("_base")]
    prices = [name for name in ("open", "high", "low", "close", "price") if name in rows.columns]
    return rows.assign(
        **{name: rows[name] * multiplier for name in quantities}, **{name: rows[name] / multiplier for name in prices}
    )


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return math.nan
    return number if math.isfinite(number) else math.nan


def _kind(answer: object) -> str:
    if isinstance(answer, str):
        return "HTML" if "<html" in answer[:2000].lower() else "text that is no JSON"
    return f"a JSON {'object' if isinstance(answer, dict) else 'list'} of another shape"
