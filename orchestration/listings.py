"""What an exchange lists, what it listed before, and from when on which terms hold: rows of `instruments`.

Here belongs how a listing becomes versions and ends, given what is stored. How a listing is asked for and read lives in
`exchanges`. Pure functions over frames in the contract's columns; times are UTC.
"""

from collections.abc import Sequence
from datetime import datetime

import pandas as pd

BEGINNING = pd.Timestamp(0, tz="UTC")  # the first terms that are known are taken to have held before, too
TERMS = ["asset", "quote", "settle", "contract_kind", "contract_size", "multiplier"]


def versions(listed: pd.DataFrame, stored: pd.DataFrame, assets: Sequence[str], now: datetime) -> pd.DataFrame:
    """The rows to keep: what is `listed`, under the version that holds, and what of `assets` is gone, with its end.

    `stored` holds all versions of this exchange. Other terms than the latest make a version that holds from `now` on.
    What was listed and is no more ended by the last full hour, unless an end was known; what comes back has none.
    """
    held = latest(stored).set_index("symbol")
    kept = listed.copy()
    kept["valid_from"] = [
        _valid_from(row, held.loc[row["symbol"]] if row["symbol"] in held.index else None, now)
        for row in listed.to_dict("records")
    ]
    is_gone = ~held.index.isin(listed["symbol"]) & held["asset"].isin(assets) & held["ends_at"].isna()
    gone = held[is_gone].reset_index()
    gone["ends_at"] = pd.Timestamp(now).floor("h").as_unit("us")
    columns = [*kept.columns.drop("payload"), "payload"]
    return pd.concat([kept, gone[columns]], ignore_index=True) if len(gone) else kept[columns]


def latest(stored: pd.DataFrame) -> pd.DataFrame:
    """The latest version of every symbol; `versions` holds all: [(valid_from in ms, contract_size, multiplier)]."""
    ordered = stored.sort_values("valid_from")
    last = ordered.drop_duplicates("symbol", keep="last").reset_index(drop=True)
    terms = {
        symbol: [(row.valid_from.value // 1_000_000, row.contract_size, row.multiplier) for row in rows.itertuples()]
        for symbol, rows in ordered.assign(valid_from=ordered["valid_from"].dt.as_unit("ns")).groupby("symbol")
    }
    return last.assign(versions=[terms[symbol] for symbol in last["symbol"]])


def _valid_from(row: dict, held: pd.Series | None, now: datetime) -> pd.Timestamp:
    if held is None:
        return BEGINNING
    is_same = all(row[name] == held[name] for name in TERMS)
    return held["valid_from"] if is_same else pd.Timestamp(now).floor("s")
