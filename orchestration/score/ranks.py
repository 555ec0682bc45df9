"""Ranks in time: how a value stands among the strictly earlier ones of its own series.

Arrays have one element for every hour of an unbroken grid; NaN is an hour without a value. Nothing here looks ahead.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from orchestration.score.parts import INSUFFICIENT_HISTORY, KNOWN, MISSING, Ranks

LONGEST_WINDOW_HOURS = 730 * 24
SHORTEST_WARM_UP_DAYS, LONGEST_WARM_UP_DAYS = 14, 730


@dataclass(frozen=True)
class History:
    """By hour, of the window of at most 730 days before it: hours with a value, and hours since the first of them."""

    hours: np.ndarray
    span: np.ndarray

    def is_enough(self, warm_up_days: int) -> np.ndarray:
        """Whether it spans the warm-up and nine tenths of its hours are there."""
        return (self.span >= warm_up_days * 24) & (10 * self.hours >= 9 * self.span)


def history(is_present: np.ndarray) -> History:
    """That of every hour, along the first axis; a span of 0 where there is none."""
    grid_hours = len(is_present)
    counts = np.zeros((grid_hours + 1, *is_present.shape[1:]), dtype="int32")
    np.cumsum(is_present, axis=0, out=counts[1:])
    at = np.arange(grid_hours)
    first = np.maximum(at - LONGEST_WINDOW_HOURS, 0)
    hours = counts[at] - counts[first]
    # The first hour with a value at or after the window's start; it lies in the window if the window holds any.
    shape = (-1, *(1 for _ in is_present.shape[1:]))
    positions = np.where(is_present, at.reshape(shape), grid_hours).astype("int32")
    next_present = np.minimum.accumulate(positions[::-1], axis=0)[::-1]
    return History(hours, np.where(hours > 0, at.reshape(shape) - next_present[first], 0))


def mid_ranks(values: np.ndarray) -> np.ndarray:
    """Of each value: the share of the earlier ones in its window that lie below, and half the share of its equals."""
    window = pd.Series(values).rolling(LONGEST_WINDOW_HOURS + 1, min_periods=1)
    # pandas counts the value itself: its average rank is (number below) + (number of equals + 1) / 2, itself an equal,
    # so one less is (number of others below) + (number of other equals) / 2.
    earlier = window.count().to_numpy() - ~np.isnan(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (window.rank(method="average").to_numpy() - 1) / earlier


def mid_rank_of(value: float, values: np.ndarray, at: int) -> float:
    """What the rank at hour `at` would be if the value there were `value`."""
    earlier = values[max(at - LONGEST_WINDOW_HOURS, 0) : at]
    below, equal = np.count_nonzero(earlier < value), np.count_nonzero(earlier == value)
    return (below + equal / 2) / np.count_nonzero(~np.isnan(earlier))


def ranks_of_series(values: np.ndarray, warm_up_days: int) -> Ranks:
    """Every hour's rank in a series that needs no panel."""
    values = np.where(np.isfinite(values), values, np.nan)
    earlier = history(~np.isnan(values))
    is_warm = earlier.is_enough(warm_up_days)
    rank = np.where(is_warm, mid_ranks(values), np.nan)
    cause = np.where(is_warm, np.where(np.isnan(values), MISSING, KNOWN), INSUFFICIENT_HISTORY)
    return Ranks(rank, rank, rank, earlier.hours, cause)
