"""The first line: ranks added up, with honest bounds, the regime in force and the reason for what is missing.

Grids have a row for every hour and a column for every asset (ALL too); rows of the table are picked from them last.
"""

from collections.abc import Mapping
from functools import cache

import numpy as np
import pandas as pd

from orchestration.score.parts import (
    CAUSES,
    DATASETS,
    INSUFFICIENT_HISTORY,
    KNOWN,
    LONG_WINDOW_DAYS,
    MEASURES,
    MISSING,
    NEVER_OBSERVED,
    PANEL_MEASURES,
    PARTS,
    PRICE_MEASURES,
    RANKED_PARTS,
    WEIGHTS,
    WINDOW_DAYS,
    Ranks,
    hundredths,
)

REGIMES = {"calm": 0, "elevated": 60, "stress": 75, "cascade": 90}  # the score at which each begins
HOURS_UNTIL_A_REGIME_ENDS = 48
WIDEST_SCORE_POINTS = 10
SMALLEST_UNIVERSE_SHARE = 0.005
BROAD_MEAN_RANK = 0.9
FEWEST_ASSETS_OF_A_BREADTH = 2
BETWEEN_BOUNDS = ("filled hours: liquidations", "assets without ranks: breadth")


def parts_of(ranks: Mapping[str, Ranks], observed: Mapping[str, np.ndarray]) -> dict[str, Ranks]:
    """The rank of every part but breadth: the mean of its measures', of which it needs all.

    `observed` says of each dataset, hour and asset whether it was ever observed until then.
    """
    parts = {}
    for part in RANKED_PARTS:
        of = [ranks[measure] for measure in PARTS[part][1]]
        was_observed = np.logical_and.reduce([observed[dataset] for dataset in DATASETS[part]])
        rank, low, high = (sum(getattr(its, name) for its in of) / len(of) for name in ("rank", "low", "high"))
        cause = np.maximum.reduce([its.cause for its in of])
        cause = np.where(was_observed, cause, NEVER_OBSERVED)
        parts[part] = Ranks(rank, low, high, np.minimum.reduce([its.hours for its in of]), cause)
    return parts


def breadth_of(
    parts: Mapping[str, Ranks],
    assets: list[str],
    share: np.ndarray,
    has_history: np.ndarray,
    was_observed_in_home: Mapping[str, np.ndarray],
) -> Ranks:
    """The share of the other assets that are stressed: at least (the rank, too), and at most.

    An asset is stressed if the mean of its own five ranks exceeds 0.9; a part whose dataset was never observed in the
    home until then is left out of the mean. ALL counts every asset, and with one asset alone there is no breadth.
    """
    counts = {
        part: np.logical_and.reduce([was_observed_in_home[dataset] for dataset in DATASETS[part]])
        for part in RANKED_PARTS
    }
    counted = sum(is_counted.astype("int64") for is_counted in counts.values())
    # An asset that stops reporting stays until it has no history left, so an outage is missing rather than calm.
    last_share = pd.DataFrame(share).ffill().to_numpy()
    is_all = np.array([asset == "ALL" for asset in assets])
    is_member = has_history & (last_share >= SMALLEST_UNIVERSE_SHARE) & ~is_all & (counted > 0)[:, np.newaxis]
    universe = is_member.sum(axis=1, keepdims=True)
    others = universe - is_member

    def share_of_others(bound: str, unknown: float) -> np.ndarray:
        of_parts = (
            np.nan_to_num(getattr(parts[part], bound), nan=unknown) * counts[part][:, np.newaxis]
            for part in RANKED_PARTS
        )
        mean = sum(of_parts) / np.maximum(counted, 1)[:, np.newaxis]
        is_stressed = is_member & (mean > BROAD_MEAN_RANK)
        stressed = is_stressed.sum(axis=1, keepdims=True) - is_stressed
        return np.where(
            (universe >= FEWEST_ASSETS_OF_A_BREADTH) & (others > 0), stressed / np.maximum(others, 1), np.nan
        )

    low, high = share_of_others("low", 0), share_of_others("high", 1)
    cause = np.where(np.isnan(low), np.where(universe > 0, MISSING, INSUFFICIENT_HISTORY), KNOWN)
    return Ranks(low, low, high, np.zeros_like(others), cause)


def first_line(parts: Mapping[str, Ranks], filled_hours: np.ndarray, assets: np.ndarray) -> pd.DataFrame:
    """Score, bounds, regimes, ranks, contributions and reason, from parts with one element for every row.

    Rows are in the order of time. Points are computed in whole hundredths, so that what is shown adds up exactly.
    """
    rank, low, high = (
        np.column_stack([getattr(parts[part], name) for part in PARTS]) for name in ("rank", "low", "high")
    )
    is_missing = np.isnan(rank)
    points = hundredths(WEIGHTS * np.where(is_missing, 0, rank))
    total = points.sum(axis=1)
    lowest, highest = (
        hundredths(WEIGHTS * np.where(is_missing, 0, low)).sum(axis=1),
        hundredths(WEIGHTS * np.where(is_missing, 1, high)).sum(axis=1),
    )
    is_narrow = highest - lowest <= 100 * WIDEST_SCORE_POINTS
    table = {"score": np.where(is_narrow, total / 100, np.nan), "score_low": lowest / 100, "score_high": highest / 100}
    is_counted = ~is_missing[:, [part in RANKED_PARTS for part in PARTS]].all(axis=1)
    table |= _regimes(table["score_low"], table["score_high"], is_counted, assets)
    table |= {f"{part}_rank": rank[:, at] for at, part in enumerate(PARTS)}
    contributions = np.where(is_missing, np.nan, points / 100)
    table |= {f"{part}_contribution": contributions[:, at] for at, part in enumerate(PARTS)}
    causes = np.column_stack([parts[part].cause for part in PARTS])
    is_lower_bound = is_narrow & (total == lowest) & (lowest < highest)
    is_open = {"liquidations": filled_hours > 0, "breadth": low[:, -1] < high[:, -1]}
    table["reason"] = _reasons(causes, np.column_stack(list(is_open.values())), is_lower_bound)
    return pd.DataFrame(table)


def _regimes(low: np.ndarray, high: np.ndarray, is_counted: np.ndarray, assets: np.ndarray) -> dict[str, pd.Series]:
    """The regimes of both bounds' maximum over the last 48 counted hours, and the regime where they agree.

    So a regime is entered at once and left after 48 hours below. An hour in which no part has a rank asserts nothing.
    """
    named = {}
    for name, bound in (("regime_low", low), ("regime_high", high)):
        counted = pd.Series(bound)[is_counted]
        peaks = counted.groupby(assets[is_counted]).rolling(HOURS_UNTIL_A_REGIME_ENDS, min_periods=1).max().droplevel(0)
        names = pd.cut(peaks, [*REGIMES.values(), np.inf], right=False, labels=list(REGIMES))
        named[name] = names.astype("str").reindex(range(len(bound)))
    regime = named["regime_low"].where(named["regime_low"] == named["regime_high"])
    return {"regime": regime} | named


def _reasons(causes: np.ndarray, is_open: np.ndarray, is_lower_bound: np.ndarray) -> pd.Series:
    """Which parts have no rank and why, and which have one between bounds; NULL where all six are certain."""
    patterns = zip(causes.tolist(), is_open.tolist(), is_lower_bound.tolist(), strict=True)
    return pd.Series([_reason(tuple(cause), tuple(its), bound) for cause, its, bound in patterns], dtype="str")


@cache  # few patterns in many rows
def _reason(causes: tuple[int, ...], is_open: tuple[bool, ...], is_lower_bound: bool) -> str | None:
    clauses = []
    for cause, words in CAUSES.items():
        parts = [part for part, its in zip(PARTS, causes, strict=True) if its == cause]
        if parts:
            clauses.append(f"{words}: {', '.join(parts)}")
    clauses += [words for words, its in zip(BETWEEN_BOUNDS, is_open, strict=True) if its]
    if is_lower_bound:
        clauses.append("the score is the lower bound")
    return "; ".join(clauses) or None


def windows_of(ranks: Mapping[str, Ranks]) -> tuple[np.ndarray, np.ndarray]:
    """Days of history behind the least known rank, and windows without overlap behind the slowest known measure.

    Where nothing is ranked: the most days that any measure has, and no window.
    """
    is_known = np.array([~np.isnan(ranks[measure].rank) for measure in MEASURES])
    hours = np.array([ranks[measure].hours for measure in MEASURES])
    most = np.iinfo("int64").max
    least = np.where(is_known, hours, most).min(axis=0)
    window_hours = np.array([WINDOW_DAYS[measure] * 24 for measure in MEASURES]).reshape(-1, *(1 for _ in least.shape))
    windows = np.where(is_known, hours // window_hours, most).min(axis=0)
    is_any = is_known.any(axis=0)
    return np.where(is_any, least, hours.max(axis=0)) / 24, np.where(is_any, windows, 0)


def has_history(ranks: Mapping[str, Ranks]) -> np.ndarray:
    """Whether a measure has history enough: one of prices at this hour, one of a panel within the last 28 days."""
    is_enough = [np.isin(ranks[measure].cause, (KNOWN, MISSING)) for measure in PRICE_MEASURES]
    for measure in PANEL_MEASURES:
        is_ranked = pd.DataFrame(~np.isnan(ranks[measure].rank)).astype("float64")
        is_enough.append(is_ranked.rolling(LONG_WINDOW_DAYS * 24, min_periods=1).max().to_numpy() > 0)
    return np.logical_or.reduce(is_enough)
