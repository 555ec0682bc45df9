"""How well a line tells the hours that precede a fall from the others: only from ten real events on.

AUROC, average precision, precision and recall, and how sure they are, by a bootstrap whose blocks hold an event each:
neighbouring hours share their windows, so hours are no independent draws. All of it is written out here: drawing blocks
is a matrix of weights, for which no library computes these two figures at once.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

DRAWS = 1000
SEED = 20260212
INTERVAL = (0.05, 0.95)
AT_ONCE = 50  # draws, so that a long history doesn't fill the memory


@dataclass(frozen=True)
class Weighed:
    """Positive and negative hours by block (rows) and level of a line (columns, rising).

    Levels are the values of positive hours, and what lies between two of them: no figure here tells values apart
    between which no positive hour lies.
    """

    positive: np.ndarray
    negative: np.ndarray


def weighed(values: np.ndarray, labels: np.ndarray, blocks: np.ndarray) -> Weighed:
    """Hours whose value and label are known, counted; `blocks` numbers every hour's block from 0 on."""
    is_known = ~np.isnan(values) & ~np.isnan(labels)
    known, is_positive = values[is_known], labels[is_known] == 1
    levels = np.unique(known[is_positive])
    place = np.searchsorted(levels, known)
    is_level = np.isin(known, levels)
    shape = (int(blocks.max(initial=0)) + 1, 2 * len(levels) + 1)
    flat = blocks[is_known] * shape[1] + 2 * place + is_level

    def counted(which: np.ndarray) -> np.ndarray:
        return np.bincount(flat, weights=which.astype("float64"), minlength=shape[0] * shape[1]).reshape(shape)

    return Weighed(counted(is_positive), counted(~is_positive))


def auroc(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """The chance that a positive hour's value exceeds a negative one's, equals counting half; along the last axis.

    Hanley and McNeil, Radiology 143 (1982). NaN without hours of both kinds.
    """
    below = np.cumsum(negative, axis=-1) - negative
    pairs = positive.sum(axis=-1) * negative.sum(axis=-1)
    wins = (positive * (below + negative / 2)).sum(axis=-1)
    return np.divide(wins, pairs, out=np.full(np.shape(wins), np.nan), where=pairs > 0)


def average_precision(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """The area under precision over recall: each value as a threshold, its precision times the recall that it adds.

    No interpolation (Davis and Goadrich, ICML 2006); equals are one threshold. NaN without a positive hour.
    """
    true = np.cumsum(positive[..., ::-1], axis=-1)[..., ::-1]
    alarms = true + np.cumsum(negative[..., ::-1], axis=-1)[..., ::-1]
    precision = np.divide(true, alarms, out=np.zeros(np.shape(true)), where=alarms > 0)
    total = positive.sum(axis=-1)
    area = (positive * precision).sum(axis=-1)
    return np.divide(area, total, out=np.full(np.shape(area), np.nan), where=total > 0)


def event_blocks(hours: int, spans: list[tuple[int, int]]) -> np.ndarray:
    """A number for every hour: the stretches of time are cut halfway between one event and the next."""
    cuts = [(last + first) // 2 + 1 for (_, last), (first, _) in pairwise(spans)]
    return np.searchsorted(np.array(cuts, dtype="int64"), np.arange(hours), side="right")


def draws(blocks: int) -> np.ndarray:
    """How often each block is drawn, a row a draw; the same for every line, so that differences are paired."""
    return np.random.default_rng(SEED).multinomial(blocks, np.full(blocks, 1 / blocks), size=DRAWS)


def drawn(of: Weighed, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AUROC and average precision of every draw."""
    found = []
    for start in range(0, len(times), AT_ONCE):
        some = times[start : start + AT_ONCE].astype("float64")
        positive, negative = some @ of.positive, some @ of.negative
        found.append((auroc(positive, negative), average_precision(positive, negative)))
    by_figure = zip(*found, strict=True)
    first, second = (np.concatenate(parts) for parts in by_figure)
    return first, second


def interval(of_draws: np.ndarray) -> list[float] | None:
    """The 5th and 95th percentile of the draws in which the figure exists; None where it hardly does."""
    known = of_draws[~np.isnan(of_draws)]
    return [float(bound) for bound in np.quantile(known, INTERVAL)] if len(known) >= len(of_draws) / 2 else None


def compared(lines: dict[str, np.ndarray], labels: np.ndarray, blocks: np.ndarray) -> list[dict]:
    """AUROC and average precision of every line, with their intervals, all on the hours that every line knows.

    The first line is the one that the others are held against: `auroc_difference` and `average_precision_difference`
    are theirs less its, with paired intervals. None without hours of both kinds.
    """
    is_known = np.logical_and.reduce([~np.isnan(values) for values in lines.values()])
    shared = np.where(is_known, labels, np.nan)
    if not {0.0, 1.0} <= set(shared[~np.isnan(shared)]):
        return []
    times = draws(int(blocks.max()) + 1)
    rows: list[dict] = []
    of_first: tuple[np.ndarray, np.ndarray] | None = None
    for name, values in lines.items():
        of = weighed(values, shared, blocks)
        pooled = of.positive.sum(axis=0), of.negative.sum(axis=0)
        figures = float(auroc(*pooled)), float(average_precision(*pooled))
        of_draws = drawn(of, times)
        row = {"line": name, "positive_hours": int(pooled[0].sum()), "negative_hours": int(pooled[1].sum())}
        for at, figure in enumerate(("auroc", "average_precision")):
            row |= {figure: figures[at], f"{figure}_interval": interval(of_draws[at])}
            if of_first is not None:
                row[f"{figure}_difference"] = figures[at] - rows[0][figure]
                row[f"{figure}_difference_interval"] = interval(of_draws[at] - of_first[at])
        of_first = of_first or of_draws
        rows.append(row)
    return rows


def at_cut_offs(score: np.ndarray, labels: np.ndarray, blocks: np.ndarray, cut_offs: list[int]) -> list[dict]:
    """Precision and recall of the hours at or above each cut-off, with intervals; None where there are no such hours.

    Of none or all of them no draw can tell how sure that is: there is no interval either.
    """
    is_known = ~np.isnan(score) & ~np.isnan(labels)
    times = draws(int(blocks.max()) + 1).astype("float64")
    rows = []
    for cut_off in cut_offs:
        is_on = score >= cut_off
        counts = {
            name: np.bincount(blocks, weights=(is_known & which).astype("float64"), minlength=times.shape[1])
            for name, which in (("true", is_on & (labels == 1)), ("alarm", is_on), ("event", labels == 1))
        }
        row: dict = {"cut_off": cut_off}
        for figure, under in (("precision", "alarm"), ("recall", "event")):
            total = counts[under].sum()
            of_draws = _ratio(times @ counts["true"], times @ counts[under])
            row[figure] = float(counts["true"].sum() / total) if total else None
            row[f"{figure}_interval"] = interval(of_draws) if 0 < counts["true"].sum() < total else None
        rows.append(row)
    return rows


def _ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    return np.divide(over, under, out=np.full(len(over), np.nan), where=under > 0)
