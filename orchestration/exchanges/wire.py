"""From cells of native rows to typed columns.

Here belongs what every exchange's rows have in common: figures as text or number, moments in milliseconds or seconds,
rows kept as JSON. Which cell means what lives in the module of the exchange.

A cell that can't be read becomes NULL and its row goes on to the border, which quarantines it; an answer of another
shape than the one documented is no answer (BadResponse) and is asked for again.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from orchestration.exchanges.tickers import coin

HOUR = 3_600_000  # milliseconds
QUANTITIES = ("volume_base", "open_interest_base", "long_base", "short_base", "quantity_base")
PRICES = ("open", "high", "low", "close", "price")
LATEST = 4_102_444_800_000  # 2100-01-01: a later stamp is no stamp
FUNDING_INTERVALS_HOURS = (1, 2, 4, 6, 8)

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

    NULL of the first, since nothing before it tells: the next one comes later, and what exchanges state of intervals
    (Bybit, Gate) is true of the present alone. NULL too if it is none of FUNDING_INTERVALS_HOURS: then a settlement is
    missing in between.
    """
    settled = frame(rows, instrument, {"funded_at": funded_at, "rate": rate})
    settled = settled.sort_values("funded_at", ignore_index=True)
    hours = (settled["funded_at"].diff() / pd.Timedelta(hours=1)).round()
    settled.insert(4, "interval_hours", hours.where(hours.isin(FUNDING_INTERVALS_HOURS)))
    return settled


def instruments(
    rows: list,
    exchange: str,
    assets: Sequence[str],
    tickers: Sequence[str],
    contract_size: Sequence,
    ends_at: Sequence | None = None,
    has_ended: Sequence[bool] | None = None,
    unit: int = 1,
) -> pd.DataFrame:
    """Rows of instruments for linear perpetuals quoted and settled in USDT whose coin is one of `assets`.

    `ends_at` are cells that state when a contract ends, in units of `unit` milliseconds; `has_ended` is a column more,
    which says of each whether it trades no longer. Of two rows of one symbol the one that trades counts.
    """
    coins = [coin(ticker, assets) for ticker in tickers]
    listed = pd.DataFrame(
        {
            "exchange": exchange,
            "symbol": [f"{ticker}/USDT:USDT" for ticker in tickers],
            "asset": [name for name, _ in coins],
            "quote": "USDT",
            "settle": "USDT",
            "contract_kind": "linear",
            "contract_size": numbers(contract_size),
            "multiplier": pd.Series([times for _, times in coins], dtype="float64"),
            "ends_at": moments([None] * len(rows) if ends_at is None else ends_at, unit),
            "has_ended": pd.Series([False] * len(rows) if has_ended is None else has_ended, dtype="bool"),
            "payload": [compact(row) for row in rows],
        }
    )
    listed = listed[listed["asset"].isin(assets)].sort_values("has_ended", kind="stable")
    return listed.drop_duplicates("symbol").sort_index().reset_index(drop=True)


def in_coins(frame: pd.DataFrame, multiplier: float) -> pd.DataFrame:
    """Rows of a dataset in native units as rows in coins: quantities times the multiplier, prices divided by it."""
    if multiplier == 1:
        return frame
    times = {name: frame[name] * multiplier for name in QUANTITIES if name in frame}
    return frame.assign(**times, **{name: frame[name] / multiplier for name in PRICES if name in frame})


def contract_sizes(instrument: Mapping, moments: pd.Series) -> np.ndarray:
    """Native units in one contract at each moment, by the version of the instrument that held then.

    `versions` of the instrument are its pairs of valid_from and contract_size in order of time; without them its
    `contract_size` holds always. A row without a moment gets some size: the border refuses it.
    """
    versions = instrument.get("versions") or [(pd.Timestamp(0, tz="UTC"), instrument["contract_size"])]
    since = pd.DatetimeIndex([valid_from for valid_from, _ in versions])
    sizes = np.array([size for _, size in versions], dtype="float64")
    return sizes[(since.searchsorted(pd.DatetimeIndex(moments), side="right") - 1).clip(0)]


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
