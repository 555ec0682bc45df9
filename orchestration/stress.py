"""The score: how much stress there is now, ranked against what each market has seen before.

Here belong ranks, contributions, bounds and regimes: frames in, frames out, no files, no clock. The measures themselves
come from the mart `stress_measures_hourly`. The score is coincident; it forecasts nothing.
"""

from functools import cache, reduce
from operator import and_, or_

import numpy as np
import pandas as pd

# Part: weight in points, and the measures whose mean rank it is. Breadth is made of the others' ranks.
PARTS = {
    "liquidations": (20, ("liquidations_ratio",)),
    "open_interest": (20, ("open_interest_24h_ratio", "open_interest_28d_ratio")),
    "downside": (20, ("downside_24h_ratio", "downside_28d_ratio")),
    "volatility": (20, ("volatility_24h",)),
    "funding": (10, ("funding_dislocation",)),
    "breadth": (10, ()),
}
RANKED_PARTS = [part for part, (_, measures) in PARTS.items() if measures]
MEASURES = [measure for _, measures in PARTS.values() for measure in measures]
SHARE = "open_interest_share"
WEIGHTS = np.array([weight for weight, _ in PARTS.values()])
COLUMNS = [
    *("as_of", "asset", "score", "score_low", "score_high", "regime"),
    *(f"{part}_{kind}" for kind in ("rank", "contribution") for part in PARTS),
    *("warm_up_days", "effective_days", "reason"),
]

REGIMES = {"calm": 0, "elevated": 60, "stress": 75, "cascade": 90}  # the score at which each begins
HOURS_UNTIL_A_REGIME_ENDS = 48
WIDEST_SCORE_POINTS = 10

LONGEST_WINDOW = pd.Timedelta(days=730)
SHORTEST_WARM_UP_DAYS = 14
SMALLEST_UNIVERSE_SHARE = 0.005
BROAD_MEAN_RANK = 0.9
HOUR = pd.Timedelta(hours=1)


def market_stress(measures: pd.DataFrame, warm_up_days: int = 180) -> pd.DataFrame:
    """The table `market_stress`, less what publishing adds: one row per row of `measures`, by as_of and asset.

    `measures` is `stress_measures_hourly`: as_of (hourly, UTC without zone), asset (ALL too), seven measures that rise
    with stress and open_interest_share. Hours may be missing: windows are by time.

    - `<part>_rank` in [0, 1]: the mean of its measures' ranks, each the mid-rank (share below plus half the share of
      equals) among the strictly earlier values of the window. The window reaches back to the first value within 730
      days; it must span `warm_up_days` and hold nine tenths of its hours. A part with an unranked measure has no rank.
    - `breadth_rank`: share of the assets of the universe whose five ranks' mean exceeds 0.9, the same in all rows of an
      hour; NULL where missing ranks leave it open. An asset belongs to the universe if it holds at least 0.5 % of open
      interest (the last known share counts) and has history enough for at least one measure.
    - `<part>_contribution`: points to the cent; they add up exactly to `score_low`, and to `score` where there is one.
    - `score_low`, `score_high`: the score if missing parts were worth nothing, or everything. `score` is the known
      contributions' sum; NULL, like `regime`, where the bounds are more than 10 points apart.
    - `regime`: calm, elevated (60), stress (75), cascade (90): entered at once, left after 48 scored hours below.
    - `effective_days`: earlier hours with a value in the window / 24, the least over the measures that are ranked (the
      most over all measures where none is). It counts independent windows of 24 h; for 28 d measures divide by 28.
    - `reason`: the parts without a rank, with `insufficient_history` or else `missing` before them.

    A row depends on its own and earlier hours only. Raises ValueError for a `warm_up_days` outside [14, 730].
    """
    if not SHORTEST_WARM_UP_DAYS <= warm_up_days <= LONGEST_WINDOW.days:
        raise ValueError(f"warm_up_days is {warm_up_days}: choose {SHORTEST_WARM_UP_DAYS} to {LONGEST_WINDOW.days}")
    # Hour by asset grids: an asset whose row is absent counts as one without figures, which matters to breadth.
    grids = {name: measures.pivot(index="as_of", columns="asset", values=name) for name in [*MEASURES, SHARE]}
    ranks, hours, is_warm = {}, {}, {}
    for name in MEASURES:
        ranks[name], hours[name], is_warm[name] = _ranks(grids[name].astype("float64"), warm_up_days)
    parts, is_warm_part = _parts(ranks, is_warm, grids[SHARE].astype("float64"))

    keys = pd.MultiIndex.from_frame(measures[["as_of", "asset"]]).sort_values()
    part_ranks = _rows(parts, keys)
    scores = _points(part_ranks.to_numpy())
    scores["as_of"], scores["asset"] = keys.get_level_values("as_of"), keys.get_level_values("asset")
    scores["regime"] = _regimes(scores)
    scores["warm_up_days"] = warm_up_days
    scores["effective_days"] = _effective_hours(_rows(ranks, keys), _rows(hours, keys)) / 24
    scores["reason"] = _reasons(part_ranks.isna().to_numpy(), _rows(is_warm_part, keys).to_numpy(dtype=bool))
    return scores[COLUMNS]


def _ranks(values: pd.DataFrame, warm_up_days: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Mid-rank of each value among the earlier ones in its window, their number, and whether they are enough."""
    values = values.where(np.isfinite(values))
    hour_numbers = np.asarray((values.index - values.index.min()) / HOUR)[:, np.newaxis]
    hours = values.rolling(LONGEST_WINDOW, closed="left").count().fillna(0)
    began = (values * 0 + hour_numbers).rolling(LONGEST_WINDOW, closed="left").min()
    span = hour_numbers - began
    is_warm = (span >= warm_up_days * 24) & (10 * hours >= 9 * span)
    # pandas counts the value itself: its average rank is (number below) + (number of equals + 1) / 2, itself an equal,
    # so one less is (number of others below) + (number of other equals) / 2.
    average_ranks = values.rolling(LONGEST_WINDOW, closed="both").rank(method="average")
    return ((average_ranks - 1) / hours).where(is_warm), hours, is_warm


def _parts(
    ranks: dict[str, pd.DataFrame], is_warm: dict[str, pd.DataFrame], share: pd.DataFrame
) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """The rank of every part, and whether what it is made of has history enough, in the order of PARTS."""
    parts = {part: sum(ranks[name] for name in PARTS[part][1]) / len(PARTS[part][1]) for part in RANKED_PARTS}
    is_warm_part = {part: reduce(and_, (is_warm[name] for name in PARTS[part][1])) for part in RANKED_PARTS}
    has_history = reduce(or_, is_warm.values())
    parts["breadth"], is_warm_part["breadth"] = _breadth(parts, has_history, share)
    return parts, is_warm_part


def _breadth(
    parts: dict[str, pd.DataFrame], has_history: pd.DataFrame, share: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """In each asset's column, by hour: the share of the universe that is stressed, and whether there is a universe."""
    # An asset that stops reporting stays until it has no history left, so an outage is missing rather than calm.
    is_member = has_history & (share.ffill() >= SMALLEST_UNIVERSE_SHARE) & (share.columns != "ALL")
    members = is_member.sum(axis=1)
    at_least, at_most = (
        (is_member & (sum(rank.fillna(unknown) for rank in parts.values()) / len(parts) > BROAD_MEAN_RANK)).sum(axis=1)
        for unknown in (0, 1)
    )
    breadth = (at_least / members).where((at_least == at_most) & (members > 0))
    return tuple(pd.DataFrame(dict.fromkeys(share.columns, row)) for row in (breadth, members > 0))


def _rows(grids: dict[str, pd.DataFrame], keys: pd.MultiIndex) -> pd.DataFrame:
    """Hour by asset grids as columns, one row for each of `keys`."""
    return pd.DataFrame({name: grid.stack() for name, grid in grids.items()}).reindex(keys)


def _effective_hours(ranks: pd.DataFrame, hours: pd.DataFrame) -> np.ndarray:
    return hours.where(ranks.notna()).min(axis=1).fillna(hours.max(axis=1)).to_numpy()


def _points(ranks: np.ndarray) -> pd.DataFrame:
    """Ranks, contributions, score and bounds, from one column of ranks per part.

    Computed in whole hundredths of a point. Each contribution is rounded down, and the hundredths that the sum then
    lacks go to the largest remainders (ties in the order of the parts), so that what is shown adds up exactly.
    """
    is_missing = np.isnan(ranks)
    exact = np.where(is_missing, 0, ranks * WEIGHTS * 100)
    hundredths = np.floor(exact).astype("int64")
    remainders = exact - hundredths
    lacking = np.rint(remainders.sum(axis=1)).astype("int64")
    place = np.argsort(np.argsort(-remainders, axis=1, kind="stable"), axis=1)
    hundredths += place < lacking[:, np.newaxis]

    low = hundredths.sum(axis=1)
    width = (is_missing * WEIGHTS).sum(axis=1)
    table = {"score": np.where(width <= WIDEST_SCORE_POINTS, low / 100, np.nan)}
    table |= {"score_low": low / 100, "score_high": (low + 100 * width) / 100}
    table |= {f"{part}_rank": ranks[:, at] for at, part in enumerate(PARTS)}
    contributions = np.where(is_missing, np.nan, hundredths / 100)
    table |= {f"{part}_contribution": contributions[:, at] for at, part in enumerate(PARTS)}
    return pd.DataFrame(table)


def _regimes(scores: pd.DataFrame) -> pd.Series:
    """A regime lasts while one of the last 48 scored hours reached its threshold: it is the regime of their maximum."""
    scored = scores.dropna(subset="score")
    peaks = scored.groupby("asset")["score"].rolling(HOURS_UNTIL_A_REGIME_ENDS, min_periods=1).max().droplevel(0)
    names = pd.cut(peaks, [*REGIMES.values(), np.inf], right=False, labels=list(REGIMES))
    return names.astype("str").reindex(scores.index)


def _reasons(is_missing: np.ndarray, is_warm: np.ndarray) -> pd.Series:
    """Which parts have no rank and why; NULL where all six have one."""
    faults = np.where(is_missing, np.where(is_warm, "missing", "insufficient_history"), "")
    return pd.Series([_reason(tuple(row)) for row in faults.tolist()], dtype="str")


@cache  # few patterns in many rows
def _reason(faults: tuple[str, ...]) -> str | None:
    """`faults` says of every part why it has no rank, and nothing where it has one."""
    clauses, open_points = [], 0
    for fault in ("insufficient_history", "missing"):
        parts = [part for part, its in zip(PARTS, faults, strict=True) if its == fault]
        if parts:
            clauses.append(f"{fault}: {', '.join(parts)}")
        open_points += sum(PARTS[part][0] for part in parts)
    if clauses and open_points <= WIDEST_SCORE_POINTS:
        clauses.append("the score is the lower bound")
    return "; ".join(clauses) or None
