"""Versions of instruments: which terms of a contract held when, and when it ended.

Here belongs what follows from stored and listed rows. How a listing is asked for and judged is `listing`'s matter.
"""

from collections.abc import Collection
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from orchestration.lake.facts import read_raw

FIRST = pd.Timestamp(
    0, tz="UTC"
)  # from when on the first known terms count: nothing better is known of what was before
MOMENTS = ["valid_from", "ends_at"]
TERMS = ["asset", "quote", "settle", "contract_kind", "contract_size", "multiplier"]


def read_versions(home: Path, exchange: str, assets: Collection[str]) -> pd.DataFrame:
    """Stored rows of the instruments that we watch, by symbol and valid_from: linear, in USDT, of these assets."""
    watched = f"exchange = '{exchange}' and contract_kind = 'linear' and settle = 'USDT'"
    stored = read_raw(home, "instruments", watched)
    return stored[stored["asset"].isin(assets)].sort_values(["symbol", "valid_from"], ignore_index=True)


def latest(versions: pd.DataFrame) -> pd.DataFrame:
    """The last version of each symbol."""
    return versions.drop_duplicates("symbol", keep="last").reset_index(drop=True)


def versioned(listed: pd.DataFrame, versions: pd.DataFrame, now: datetime) -> pd.DataFrame:
    """Listed instruments (with `has_ended`) as the rows of the contract that say so.

    Terms that are those of the last version keep its valid_from and its figures, so that nothing is written anew;
    other terms are a version that holds from `now`, when they were first seen, or from FIRST on if none is stored. An
    end that the exchange doesn't state is when it was first seen to have ended.
    """
    stored = latest(versions[versions["valid_from"] <= pd.Timestamp(now)]).set_index("symbol")
    rows = []
    for row in listed.to_dict("records"):
        held = stored.loc[row["symbol"]] if row["symbol"] in stored.index else None
        if held is None:
            row["valid_from"] = FIRST
        elif _is_same(held, row):
            row |= {name: held[name] for name in ("valid_from", *TERMS)}
        else:
            row["valid_from"] = pd.Timestamp(now)
        if row["has_ended"]:
            row["ends_at"] = end(row["ends_at"], None if held is None else held["ends_at"], now)
        rows.append(row)
    told = pd.DataFrame(rows, columns=[*listed.columns.drop("valid_from", errors="ignore"), "valid_from"]).drop(
        columns="has_ended"
    )
    moments = {name: pd.to_datetime(told[name], utc=True).astype("datetime64[us, UTC]") for name in MOMENTS}
    return told.assign(**moments)


def end(stated: pd.Timestamp | None, held: pd.Timestamp | None, now: datetime) -> pd.Timestamp:
    """When a contract that trades no longer at `now` ended: as stated, else as known, at the latest now."""
    known = [moment for moment in (stated, held) if moment is not None and not pd.isna(moment)]
    this_hour = pd.Timestamp(now).floor("h")
    return min(known[0], this_hour) if known else this_hour


def sizes(versions: pd.DataFrame) -> dict[str, list[tuple[pd.Timestamp, float]]]:
    """(valid_from, contract_size) of every symbol in order of time."""
    return {
        symbol: list(zip(rows["valid_from"], rows["contract_size"], strict=True))
        for symbol, rows in versions.groupby("symbol")
    }


def _is_same(held: pd.Series, row: dict) -> bool:
    is_size = {"contract_size", "multiplier"}
    return all(
        bool(np.isclose(held[name], row[name], rtol=1e-9, atol=0)) if name in is_size else held[name] == row[name]
        for name in TERMS
    )
