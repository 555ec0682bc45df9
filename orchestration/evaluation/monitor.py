"""What the stabilisation monitor said before the falls: a market that had calmed down, and fell all the same.

Here belong stretches of hours in which a half was met, and the falls that began in one or soon after. The monitor
itself is `score.stabilisation`'s matter.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from orchestration.evaluation.events import Event

FOLLOWS_WITHIN_HOURS = 168


def before_falls(monitored: pd.DataFrame, hours: pd.DatetimeIndex, of_events: list[Event]) -> list[dict]:
    """By half of the monitor: {half, support_level (None for the pace), stretches, followed, falls}.

    `monitored` has as_of, support_level, price_met, pace_met of one asset. `stretches` counts those of unbroken hours
    in which the half was met; `followed` those in which a fall began, or within 7 d of their end; `falls` are these:
    {from_at, until_at, fell_at, hours_after} (negative while it was met). What is unknown isn't met.
    """
    found = []
    levels = sorted(monitored["support_level"].unique())
    halves = [("pace", None, levels[:1]), *(("price", level, [level]) for level in levels)] if levels else []
    for half, level, of_level in halves:
        rows = monitored[monitored["support_level"].isin(of_level)].set_index("as_of")
        is_met = rows[f"{half}_met"].reindex(hours).astype("boolean").fillna(False).to_numpy(dtype="bool")
        stretches = list(_stretches(is_met))
        falls = [
            {
                "from_at": hours[first],
                "until_at": hours[last],
                "fell_at": hours[event.first],
                "hours_after": event.first - last,
            }
            for first, last in stretches
            for event in of_events
            if first <= event.first <= last + FOLLOWS_WITHIN_HOURS
        ]
        followed = len({its["from_at"] for its in falls})
        found.append(
            {"half": half, "support_level": level, "stretches": len(stretches), "followed": followed, "falls": falls}
        )
    return found


def _stretches(is_met: np.ndarray) -> Iterator[tuple[int, int]]:
    """(first, last) position of every unbroken stretch of true hours."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_met, [False]])))
    for first, end in edges.reshape(-1, 2):
        yield int(first), int(end) - 1
