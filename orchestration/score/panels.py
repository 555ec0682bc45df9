"""Panels: which instruments a measure is taken from at an hour, and its rank among that panel's own earlier values.

A panel changes when an exchange falls silent, a contract is listed or a feed changes its nature, and a ratio changes
with it though nothing happened. So a value is only ranked among what the same panel's value was before, over the hours
in which all of its members were observed. Panels change rarely: each is computed once, for all of its hours.

Arrays have a row for every hour of an unbroken grid and a column for every member; a member is an instrument, of
liquidations an instrument within one epoch of its feed. Members stand in the order of their names, and every sum runs
in that order over the row, so later hours and members change no earlier figure in its last digit.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from orchestration.score.parts import INSUFFICIENT_HISTORY, KNOWN, MISSING, TOO_MANY_PANELS, Ranks
from orchestration.score.ranks import History, history, mid_rank_of, mid_ranks

# So many different panels of one measure and scope are computed per calendar month, in the order in which they appear:
# what comes later in that month has no rank, so that a refresh ends and an earlier hour never changes.
MOST_PANELS_A_MONTH = 100


@dataclass(frozen=True)
class Series:
    """A panel's measure by hour: `value`, NaN where a member is missing; its bounds; hours of it that are filled."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    filled_hours: np.ndarray


@dataclass(frozen=True)
class Members:
    """What a measure can be taken from.

    `is_present`, whether a member can be in the panel of an hour; `is_holed`, whether it
    would be only by a fill; `series`, the measure of the panel that these columns make.
    """

    is_present: np.ndarray
    is_holed: np.ndarray
    series: Callable[[np.ndarray], Series]


@dataclass(frozen=True)
class Asked:
    """Which ranks are asked for: after how long a warm-up, and by hour of the grid its calendar month (any number that
    the month has alone) and whether it is one of them.
    """

    warm_up_days: int
    months: np.ndarray
    is_asked: np.ndarray


@dataclass(frozen=True)
class PanelRanks(Ranks):
    """Ranks with what they are of: the panel's value, its filled hours, and its members (None without a rank)."""

    value: np.ndarray
    filled_hours: np.ndarray
    members: np.ndarray

    def or_else(self, other: "PanelRanks", takes_other: np.ndarray) -> "PanelRanks":
        """This, and in some hours the other."""
        return replace(
            self, **{name: np.where(takes_other, getattr(other, name), getattr(self, name)) for name in vars(self)}
        )


def panel_ranks(members: Members, columns: np.ndarray, asked: Asked) -> PanelRanks:
    """The ranks of a measure among these columns, in the hours that are asked for.

    An hour's panel is whoever is present. A member that would leave it less history than a rank needs is left out, and
    so on until the history suffices: of too short a joint history the member that begins last, of one with too many
    holes the one with the most. Where no panel suffices there is insufficient history, where nobody is present though
    somebody has been for long enough the measure is missing.
    """
    is_present = np.take(members.is_present, columns, axis=1)
    grid_hours = len(is_present)
    own = history(is_present)
    is_old = own.span >= asked.warm_up_days * 24
    is_candidate = is_present & is_old & asked.is_asked[:, np.newaxis]
    found = PanelRanks(
        rank=np.full(grid_hours, np.nan),
        low=np.full(grid_hours, np.nan),
        high=np.full(grid_hours, np.nan),
        hours=own.hours.max(axis=1, initial=0).astype("int64"),
        cause=np.where(is_old.any(axis=1) & ~is_present.any(axis=1), MISSING, INSUFFICIENT_HISTORY),
        value=np.full(grid_hours, np.nan),
        filled_hours=np.zeros(grid_hours, dtype="int64"),
        members=np.full(grid_hours, None, dtype="object"),
    )
    candidates, is_too_many = _candidate_panels(is_candidate, asked.months)
    found.cause[is_too_many] = TOO_MANY_PANELS
    choice, work = _Choice(is_present, own, asked.warm_up_days), _Work()
    work.add(candidates)
    for panel, hours in work:
        joint = history(np.all(is_present[:, panel], axis=1))
        is_enough = joint.is_enough(asked.warm_up_days)[hours]
        work.add(choice.shortened(panel, hours[~is_enough], joint))
        hours = hours[is_enough]
        if not len(hours):
            continue
        series = members.series(columns[panel])
        earlier = history(~np.isnan(series.value))
        has_value, is_warm = ~np.isnan(series.value[hours]), earlier.is_enough(asked.warm_up_days)[hours]
        _record(found, columns[panel], hours[has_value & is_warm], series, earlier)
        # Holes that the others of the panel can't fill: it goes on without the members that have them.
        work.add(_without(panel, hours[is_warm & ~has_value], members.is_holed[:, columns[panel]], found.cause))
        work.add(choice.shortened(panel, hours[~is_warm], earlier))
    return found


def _record(found: PanelRanks, panel: np.ndarray, hours: np.ndarray, series: Series, earlier: History) -> None:
    if not len(hours):
        return
    ranks = mid_ranks(series.value)
    found.rank[hours] = found.low[hours] = found.high[hours] = ranks[hours]
    for hour in hours[series.filled_hours[hours] > 0]:
        found.low[hour] = mid_rank_of(series.low[hour], series.value, hour)
        found.high[hour] = mid_rank_of(series.high[hour], series.value, hour)
    found.value[hours], found.filled_hours[hours] = series.value[hours], series.filled_hours[hours]
    found.hours[hours], found.cause[hours] = earlier.hours[hours], KNOWN
    members = tuple(int(column) for column in panel)
    for hour in hours:
        found.members[hour] = members


def _groups(keys: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(row, positions) of every distinct row of flags, in the order of their first positions."""
    if not len(keys):
        return
    packed = np.packbits(keys, axis=1)
    _, first, inverse = np.unique(packed.view(f"V{packed.shape[1]}").ravel(), return_index=True, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    positions = np.split(order, np.cumsum(np.bincount(inverse))[:-1])
    for group in np.argsort(first):
        yield keys[first[group]], positions[group]


def _candidate_panels(
    is_candidate: np.ndarray, months: np.ndarray
) -> tuple[list[tuple[np.ndarray, np.ndarray]], np.ndarray]:
    """Everybody's panels as (columns, hours), and the hours whose panel is one too many in its month."""
    panels, is_too_many = [], np.zeros(len(is_candidate), dtype=bool)
    panels_of_month = dict.fromkeys(months.tolist(), 0)
    firsts = []  # (first hour in a month, month, panel, its hours in that month)
    for row, hours in _groups(is_candidate):
        if not row.any():
            continue
        for month in np.unique(months[hours]).tolist():
            its = hours[months[hours] == month]
            firsts.append((its[0], month, row, its))
    allowed: dict[bytes, tuple[np.ndarray, list[np.ndarray]]] = {}
    for _, month, row, hours in sorted(firsts, key=lambda one: one[0]):
        panels_of_month[month] += 1
        if panels_of_month[month] > MOST_PANELS_A_MONTH:
            is_too_many[hours] = True
        else:
            allowed.setdefault(row.tobytes(), (row, []))[1].append(hours)
    for row, parts in allowed.values():
        panels.append((np.flatnonzero(row), np.concatenate(parts)))
    return panels, is_too_many


def _without(
    panel: np.ndarray, hours: np.ndarray, is_holed: np.ndarray, cause: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The panel less its holed members, as (columns, hours); missing where that changes nothing or leaves nobody."""
    smaller = []
    for row, positions in _groups(is_holed[hours]):
        if row.all() or not row.any():
            cause[hours[positions]] = MISSING
        else:
            smaller.append((panel[~row], hours[positions]))
    return smaller


class _Work:
    """Panels still to be computed, with the hours that wait for them, the largest first.

    What is left of a panel is smaller than it, so each comes up once, with all of its hours.
    """

    def __init__(self) -> None:
        self.by_size: dict[int, dict[bytes, tuple[np.ndarray, list[np.ndarray]]]] = {}

    def add(self, panels: Iterable[tuple[np.ndarray, np.ndarray]]) -> None:
        for panel, hours in panels:
            alike = self.by_size.setdefault(len(panel), {})
            alike.setdefault(panel.tobytes(), (panel, []))[1].append(hours)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        while self.by_size:
            for panel, hours in self.by_size.pop(max(self.by_size)).values():
                yield panel, np.concatenate(hours)


class _Choice:
    """Which member of a panel with too little history is to blame; knows when each of them was present."""

    def __init__(self, is_present: np.ndarray, own: History, warm_up_days: int) -> None:
        self.is_present, self.own, self.warm_up_days = is_present, own, warm_up_days
        self.counts = np.zeros((len(is_present) + 1, is_present.shape[1]), dtype="int32")
        np.cumsum(is_present, axis=0, out=self.counts[1:])

    def shortened(self, panel: np.ndarray, hours: np.ndarray, joint: History) -> list[tuple[np.ndarray, np.ndarray]]:
        """The panel without the member that is to blame in each of these hours, as (columns, hours)."""
        if len(panel) == 1 or not len(hours):
            return []
        span = joint.span[hours]
        is_short = span < self.warm_up_days * 24
        since_first = self.counts[hours][:, panel] - self.counts[hours - span][:, panel]
        own_span, own_hours = self.own.span[hours][:, panel], self.own.hours[hours][:, panel]
        weight = np.where(
            is_short[:, np.newaxis],
            own_span.astype("int64") << 32 | own_hours,
            since_first.astype("int64") << 32 | own_span,
        )
        # The least; of equals the last by name.
        left_out = len(panel) - 1 - np.argmin(weight[:, ::-1], axis=1)
        return [(np.delete(panel, at), hours[left_out == at]) for at in np.unique(left_out)]
