"""Events, labels and alarms: when a market fell, and whether something rose around it.

Here belong definitions alone, over arrays with one element for every hour of an unbroken grid. Closes and lows are
grids of hour and asset; a market of several assets is bought in equal shares at the close that a fall is measured from.
"""

from dataclasses import dataclass

import numpy as np

WINDOW_HOURS = 24
BRIDGED_HOURS = 24  # what lies closer together is one event, or one alarm
REACH_HOURS = 24  # so far from an event's hours an alarm still belongs to it


@dataclass(frozen=True)
class Event:
    """Positions in the grid: the first and last hour that are deep enough below, the deepest, and how deep it is."""

    first: int
    last: int
    trough: int
    drawdown_ratio: float


def falls(close: np.ndarray, low: np.ndarray, start: int, lag: int) -> np.ndarray:
    """Of every hour t: the mean over assets of low(t + start + lag) / close(t + start), less 1; NaN where one lacks."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return (_shifted(low, start + lag) / _shifted(close, start)).mean(axis=1) - 1


def labels(close: np.ndarray, low: np.ndarray, threshold_ratio: float, lead_hours: int) -> np.ndarray:
    """Whether the lowest low of the bars in (t + k, t + k + 24 h] lies at least the threshold below the close of t + k.

    1 or 0, and NaN where that isn't known: a bar that is not observed makes no calm, but what the others show is shown.
    A label rests on the hours up to t + k + 24 h, so later ones never change it.
    """
    in_window = np.array([falls(close, low, lead_hours, lag) for lag in range(1, WINDOW_HOURS + 1)])
    is_deep = (in_window <= -threshold_ratio).any(axis=0)
    return np.where(is_deep, 1.0, np.where(np.isnan(in_window).any(axis=0), np.nan, 0.0))


def depth(close: np.ndarray, low: np.ndarray) -> np.ndarray:
    """Of every hour: how far its low lies below the highest of the closes of the 24 h before; NaN where none is known.

    The hours that are deep enough are those whose lows make labels 1.
    """
    from_before = np.array([falls(close, low, -lag, lag) for lag in range(1, WINDOW_HOURS + 1)])
    return np.fmin.reduce(from_before)


def events(depth_ratio: np.ndarray, threshold_ratio: float) -> list[Event]:
    """Stretches of hours that are at least the threshold deep; those at most 24 h apart are one event."""
    found = []
    for first, last in episodes(depth_ratio <= -threshold_ratio):
        trough = first + int(np.nanargmin(depth_ratio[first : last + 1]))
        found.append(Event(first, last, trough, float(depth_ratio[trough])))
    return found


def episodes(is_on: np.ndarray) -> list[tuple[int, int]]:
    """(first, last) position of every stretch of true hours, with holes of at most 24 h bridged."""
    on = np.flatnonzero(is_on)
    if not len(on):
        return []
    ends = np.flatnonzero(np.diff(on) > BRIDGED_HOURS)
    firsts, lasts = on[[0, *(ends + 1)]], on[[*ends, len(on) - 1]]
    return [(int(first), int(last)) for first, last in zip(firsts, lasts, strict=True)]


def alarms(is_on: np.ndarray, of_events: list[Event]) -> dict[str, int]:
    """`alarms`, how many stretches of true hours there are; `false_alarms`, with no event within 24 h of them;
    `missed_events`, with no alarm within 24 h of them; and `hours` that are true."""
    raised = episodes(is_on)

    def meet(alarm: tuple[int, int], event: Event) -> bool:
        return alarm[0] - REACH_HOURS <= event.last and event.first <= alarm[1] + REACH_HOURS

    return {
        "hours": int(is_on.sum()),
        "alarms": len(raised),
        "false_alarms": sum(not any(meet(alarm, event) for event in of_events) for alarm in raised),
        "missed_events": sum(not any(meet(alarm, event) for alarm in raised) for event in of_events),
    }


def merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans of several markets, those that touch within 24 h made one."""
    together: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if together and first - together[-1][1] <= BRIDGED_HOURS:
            together[-1] = (together[-1][0], max(together[-1][1], last))
        else:
            together.append((first, last))
    return together


def _shifted(grid: np.ndarray, hours: int) -> np.ndarray:
    """The grid's value so many hours later (earlier if negative); NaN beyond its ends."""
    moved = np.full(grid.shape, np.nan)
    length = len(grid)
    if abs(hours) < length:
        moved[max(-hours, 0) : length - max(hours, 0)] = grid[max(hours, 0) : length - max(-hours, 0)]
    return moved
