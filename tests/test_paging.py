"""Paging loses no row and doubles none, whatever an exchange does with its pages."""

from hypothesis import given
from hypothesis import strategies as st

from orchestration.exchanges import wire
from orchestration.exchanges.paging import event_pages, pages

STEP = 10
stamps = st.lists(st.integers(0, 120), max_size=60).map(lambda hours: sorted({hour * STEP for hour in hours}))


def first_cell(row):
    return wire.milliseconds(row[0])


@given(
    stamps=stamps,
    bounds=st.tuples(st.integers(-50, 1300), st.integers(-50, 1300)).map(sorted),
    limit=st.integers(1, 40),
    cap=st.integers(1, 50),
    keeps_newest=st.booleans(),
    answers_descending=st.booleans(),
    knows_no_end=st.booleans(),
)
def test_pages_return_every_row_of_the_range_once(
    stamps, bounds, limit, cap, keeps_newest, answers_descending, knows_no_end
):
    first, last = bounds
    rows = [[stamp, "row"] for stamp in stamps if stamp]

    def ask(low, high):
        inside = [row for row in rows if low <= row[0] and (knows_no_end or row[0] <= high)]
        page = inside[-cap:] if keeps_newest and not knows_no_end else inside[:cap]
        return page[::-1] if answers_descending else page

    got = [row for page in pages(ask, first_cell, first, last, limit=limit, step=STEP) for row in page]
    assert sorted(got) == [row for row in rows if first <= row[0] <= last]


@given(st.lists(st.tuples(st.sampled_from([10, 40, 80]), st.integers(0, 3)), max_size=40), st.integers(1, 12))
def test_pages_find_rows_at_irregular_distances(gaps, cap):
    """Settlements come every 1 to 8 hours, a little late; windows are cut for the longest distance."""
    stamps, at = [], 0
    for gap, late in gaps:
        at += gap
        stamps.append(at + late)

    def ask(low, high):
        return [[stamp] for stamp in stamps if low <= stamp <= high][:cap]

    got = [row[0] for page in pages(ask, first_cell, 1, at + 5, limit=5, step=80, gap=7) for row in page]
    assert sorted(got) == stamps


@given(st.sampled_from([10, 20, 40, 80]), st.integers(1, 200), st.integers(1, 12), st.booleans())
def test_pages_that_keep_pace_lose_nothing_and_ask_once_for_what_one_answer_holds(pace, last, cap, keeps_newest):
    stamps, asked = range(1, last + 1, pace), []

    def ask(low, high):
        asked.append((low, high))
        inside = [[stamp] for stamp in stamps if low <= stamp <= high]
        return inside[-cap:] if keeps_newest else inside[:cap]

    got = [
        row[0] for page in pages(ask, first_cell, 1, last, limit=20, step=80, gap=7, keeps_pace=True) for row in page
    ]
    assert sorted(got) == list(stamps)
    if 1 < len(stamps) <= cap:
        assert len(asked) == 1


def test_pages_are_as_large_as_the_exchange_allows():
    asked = []

    def ask(low, high):
        asked.append((low, high))
        return [[stamp] for stamp in range(STEP, 1001, STEP) if low <= stamp <= high]

    assert sum(len(page) for page in pages(ask, first_cell, STEP, 1000, limit=50, step=STEP)) == 100
    assert asked == [(10, 509), (510, 1000)]


def test_pages_pass_on_a_row_without_a_stamp_once():
    def ask(low, high):
        return [["?"], *([stamp] for stamp in range(10, 50, STEP) if low <= stamp <= high), [None]]

    got = [row for page in pages(ask, first_cell, 10, 49, limit=2, step=STEP) for row in page]
    assert got == [["?"], [10], [20], [None], [30], [40]]


events = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 2)), max_size=40).map(sorted)


@given(events, st.tuples(st.integers(1, 31), st.integers(1, 31)).map(sorted), st.integers(4, 20), st.booleans())
def test_event_pages_return_equal_events_as_often_as_they_happened(events, bounds, cap, is_newest_first):
    """Several events share a millisecond, and some are equal in every cell: pages that end between them keep all."""
    first, last = bounds
    most_at_once = max((sum(1 for event in events if event[0] == at) for at, _ in events), default=0)
    cap = max(cap, most_at_once + 1)

    def ask(before):
        page = [event for event in events if event[0] < before][-cap:]
        return page[::-1] if is_newest_first else page

    *seen, (rest, covered_from) = event_pages(ask, first_cell, first, last)
    got = [row for rows, _ in seen for row in rows] + rest
    assert sorted(got) == [event for event in events if first <= event[0] <= last]
    assert all(covered is None for _, covered in seen)
    older = [at for at, _ in events if at < first]
    known = [at for at, _ in events if at <= last]
    assert covered_from == (first if older else min(known, default=None))
