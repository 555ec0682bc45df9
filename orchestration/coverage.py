"""Receipts: which hours of a dataset and symbol were really observed, and why the others were not.

Here belongs how an answer of an exchange becomes rows of the `coverage` dataset. What an hour without a receipt means
to a figure is decided in dbt (`int_coverage_hourly` and the marts). Pure functions; times are UTC and ranges half-open.
"""

from datetime import datetime

import pandas as pd

HOUR = pd.Timedelta(hours=1)
LONGEST_FUNDING_INTERVAL = pd.Timedelta(hours=8)
RISING = ("failed", "unavailable", "partial", "complete")
KEY = ["exchange", "dataset", "symbol", "start_at", "end_at", "feed"]
COLUMNS = [*KEY, "state", "reason"]

NOTHING_BEFORE = "nothing before the first row: not listed yet, or older than the exchange keeps"
NO_ROW = "the exchange returned no row for it"
NO_ROWS = "the exchange returned no rows for the range asked"
NO_SETTLEMENT = "the exchange returned no settlement in the 8 hours before it"
FORGOTTEN = "older than the oldest event that the exchange still returns, so quiet and forgotten look alike"


def series_states(stamps: pd.Series, start: datetime, end: datetime, has_begun: bool = False) -> pd.DataFrame:
    """state and reason by hour (index, UTC) of a regular hourly series whose rows have these `stamps`.

    A gap is `partial`; hours before the first row are `unavailable`, since a series starts late where it was not
    listed yet or where the exchange's memory ends. Of one that `has_begun` before the range they are a gap.
    """
    hours = _hours(start, end)
    present = hours.isin(pd.DatetimeIndex(stamps).floor("h"))
    states = _states(hours, "partial", NO_ROW)
    states.loc[present] = ("complete", None)
    if has_begun:
        return states
    before_first = hours < hours[present].min() if present.any() else pd.Series(True, index=hours)
    states.loc[before_first] = ("unavailable", NOTHING_BEFORE if present.any() else NO_ROWS)
    return states


def funding_states(stamps: pd.Series, start: datetime, end: datetime, has_begun: bool = False) -> pd.DataFrame:
    """Like `series_states` for settlements, which come every 1 to 8 hours: observed from the first one on.

    A settlement holds for one longest interval. Later hours without another are `partial`: whether the feed stopped or
    the exchange settled, nobody has seen.
    """
    hours = _hours(start, end)
    settled = pd.DatetimeIndex(stamps).floor("h").sort_values()
    if settled.empty:
        return _states(hours, "partial", NO_SETTLEMENT) if has_begun else _states(hours, "unavailable", NO_ROWS)
    latest = settled.searchsorted(hours, side="right") - 1
    age = pd.Series(hours - settled[latest.clip(0)], index=hours)
    states = _states(hours, "complete", None)
    states.loc[age >= LONGEST_FUNDING_INTERVAL] = ("partial", NO_SETTLEMENT)
    if settled[0] - LONGEST_FUNDING_INTERVAL >= pd.Timestamp(start):
        states.loc[hours < settled[0]] = ("partial", NO_SETTLEMENT) if has_begun else ("unavailable", NOTHING_BEFORE)
    return states


def event_states(
    observed_from: datetime | None, start: datetime, end: datetime, reason: str = FORGOTTEN
) -> pd.DataFrame:
    """Like `series_states` for events, of which none may come: every hour from `observed_from` on was observed."""
    hours = _hours(start, end)
    states = _states(hours, "complete", None)
    unseen = hours < pd.Timestamp(observed_from) if observed_from is not None else pd.Series(True, index=hours)
    states.loc[unseen] = ("unavailable", reason)
    return states


def until(states: pd.DataFrame, ends_at: pd.Timestamp) -> pd.DataFrame:
    """States by hour of a contract that ends: from its end on nothing can be observed. Its last hour may be whole."""
    is_over = states.index >= ends_at.ceil("h")
    is_cut = (states.index >= ends_at.floor("h")) & (states["state"] != "complete").to_numpy()
    states.loc[is_over | is_cut, ["state", "reason"]] = ("unavailable", f"ended at {ends_at:%Y-%m-%d %H:%M}")
    return states


def uniform_states(state: str, reason: str | None, start: datetime, end: datetime) -> pd.DataFrame:
    """One state for the whole range, e.g. `failed` with its reason."""
    return _states(_hours(start, end), state, reason)


def receipts(exchange: str, dataset: str, symbol: str, states: pd.DataFrame) -> pd.DataFrame:
    """Rows of the coverage contract: one for each contiguous run of hours with the same state and reason."""
    if states.empty:
        return pd.DataFrame(columns=COLUMNS)
    texts = states["state"] + "|" + states["reason"].fillna("")
    runs = (texts != texts.shift()).cumsum()
    rows = states.reset_index(names="hour_at").groupby(runs.to_numpy()).agg(
        start_at=("hour_at", "first"), end_at=("hour_at", "last"), state=("state", "first"), reason=("reason", "first")
    )  # fmt: skip
    rows["end_at"] += HOUR
    return rows.assign(exchange=exchange, dataset=dataset, symbol=symbol, feed="rest")[COLUMNS]


def without_falls(receipts: pd.DataFrame, held: pd.DataFrame) -> pd.DataFrame:
    """`receipts` less those that say less of the same hours than a receipt that is `held`: a state only rises."""
    states = dict(zip(held[KEY].itertuples(index=False, name=None), held["state"].map(RISING.index), strict=True))
    keys = receipts[KEY].itertuples(index=False, name=None)
    rises = [RISING.index(state) >= states.get(key, 0) for key, state in zip(keys, receipts["state"], strict=True)]
    return receipts[rises]


def _hours(start: datetime, end: datetime) -> pd.DatetimeIndex:
    return pd.date_range(start, end, freq="h", inclusive="left", unit="us")


def _states(hours: pd.DatetimeIndex, state: str, reason: str | None) -> pd.DataFrame:
    return pd.DataFrame({"state": state, "reason": pd.Series(reason, index=hours, dtype="object")}, index=hours)
