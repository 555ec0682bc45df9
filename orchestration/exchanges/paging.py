"""How a series or a feed is asked for: endpoints, windows, and pages that lose no row and double none.

Here belongs what holds whatever the exchange: nothing here asks by itself. How a page is asked of one exchange stands
in its folder, the connection in `client`. Times are milliseconds since 1970.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import ccxt
    import pandas as pd


class Window(NamedTuple):
    """What a request asks for: rows with a stamp in [first, last]; `now` is the as-of clock. Milliseconds."""

    first: int
    last: int
    now: int


@dataclass(frozen=True)
class Endpoint:
    """How an exchange serves a regular series, as its module declares it.

    `ask(client, native id, window)` returns at most `limit` native rows; `time` is the cell that holds a row's stamp,
    in units of `unit` milliseconds; `datasets` are those it serves, each with the function that reads them from the
    rows.
    """

    ask: Callable[["ccxt.Exchange", str, Window], list]
    time: int | str
    limit: int
    datasets: Mapping[str, Callable[[list, Mapping], "pd.DataFrame"]]
    unit: int = 1


def pages(
    ask: Callable[[int, int], list],
    stamp: Callable[[object], int | None],
    first: int,
    last: int,
    *,
    limit: int,
    step: int,
    gap: int | None = None,
    keeps_pace: bool = False,
) -> Iterator[list]:
    """Every row of a series with a stamp in [first, last] exactly once, page by page as it arrives. Milliseconds.

    `ask(low, high)` returns rows of [low, high], possibly fewer than there are and possibly some outside. The range
    is cut into windows of `limit` rows that are `step` apart. Where the rows of an answer leave room for another row
    (`gap`, the least distance of two rows, by default `step`) before the oldest or after the newest of them, that
    room is asked again, until an answer brings no new row. So a server that silently caps its pages, whichever end it
    keeps, loses nothing. Of a series that `keeps_pace` for a while, whatever its pace, only room as wide as the closest
    two rows of the answer counts: there one request less is worth that a server which cuts its pages exactly where the
    pace quickens is only found out by the next fetch. A row without a usable stamp is passed on once: the border has to
    see it.
    """
    gap = gap or step
    odd: set[str] = set()
    for window in range(first, last + 1, limit * step):
        seen = set()
        rooms = [(window, min(window + limit * step - 1, last))]
        while rooms:
            low, high = rooms.pop()
            fresh, inside = [], []
            for row in ask(low, high):
                moment = stamp(row)
                if moment is None:
                    text = json.dumps(row)
                    if text not in odd:
                        odd.add(text)
                        fresh.append(row)
                elif low <= moment <= high and moment not in seen:
                    seen.add(moment)
                    inside.append(moment)
                    fresh.append(row)
            if fresh:
                yield fresh
            rooms += _rooms_beside(inside, low, high, max(gap, _least_distance(inside)) if keeps_pace else gap)


def _least_distance(stamps: list[int]) -> int:
    return min((later - earlier for earlier, later in pairwise(sorted(stamps))), default=0)


def _rooms_beside(stamps: list[int], low: int, high: int, gap: int) -> list[tuple[int, int]]:
    """What of [low, high] before the oldest and after the newest of `stamps` has room for another row."""
    if not stamps:
        return []
    sides = ((low, min(stamps) - 1), (max(stamps) + 1, high))
    return [(start, end) for start, end in sides if end - start >= gap - 1]


def event_pages(
    ask: Callable[[int], list], stamp: Callable[[object], int | None], first: int, last: int
) -> Iterator[tuple[list, int | None]]:
    """(rows, covered_from) of events in [first, last], newest page first. Milliseconds.

    `ask(before)` returns the newest events that are older than `before`. The last pair tells how far back the feed
    was really seen: `first` if an older event came up; else, the exchange's memory having ended, the oldest event,
    since what was quiet and what is forgotten look alike from here; None if there was no event at all. Every other
    pair has None. The events of a page's oldest millisecond are left to the next page, which is asked to include
    them: so a page that ends between two of them neither loses nor doubles any.
    """
    before, odd = last + 1, set[str]()
    oldest_seen: int | None = None
    while True:
        answer = [(row, stamp(row)) for row in ask(before)]
        unstamped = {json.dumps(row): row for row, moment in answer if moment is None}
        rows = [row for text, row in unstamped.items() if text not in odd]
        odd |= unstamped.keys()
        older = [(row, moment) for row, moment in answer if moment is not None and moment < before]
        if not older:
            yield rows, oldest_seen
            return
        oldest, newest = min(moment for _, moment in older), max(moment for _, moment in older)
        is_left_to_next = first <= oldest < newest
        rows += [row for row, moment in older if moment >= first and not (is_left_to_next and moment == oldest)]
        if oldest < first:
            yield rows, first
            return
        yield rows, None
        oldest_seen, before = oldest, oldest + 1 if is_left_to_next else oldest
