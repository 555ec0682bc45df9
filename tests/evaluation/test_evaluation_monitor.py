"""What the monitor said before falls: stretches by hand."""

import pandas as pd

from orchestration.evaluation.events import Event
from orchestration.evaluation.monitor import before_falls

HOURS = pd.date_range("2025-01-01", periods=500, freq="h")


def monitored(pace: list, price: list, level: float = 100.0) -> pd.DataFrame:
    return pd.DataFrame(
        {"as_of": HOURS[: len(pace)], "support_level": level, "price_met": price, "pace_met": pace}
    ).astype({"price_met": "object", "pace_met": "object"})


def fall(first: int) -> Event:
    return Event(first, first + 3, first + 1, -0.1)


def test_a_fall_follows_a_stretch_that_it_began_in_or_within_seven_days_of():
    pace = [False] * 10 + [True] * 20 + [None] * 5 + [True] * 5 + [False] * 460
    told = before_falls(monitored(pace, [False] * 500), HOURS, [fall(25), fall(29 + 168), fall(400)])
    of_pace, of_price = told
    assert (of_pace["half"], of_pace["support_level"], of_pace["stretches"], of_pace["followed"]) == (
        "pace",
        None,
        2,
        2,
    )
    assert [(its["from_at"], its["fell_at"], its["hours_after"]) for its in of_pace["falls"]] == [
        (HOURS[10], HOURS[25], -4),  # hours 10 to 29 are met
        (HOURS[10], HOURS[197], 168),
        (HOURS[35], HOURS[197], 158),  # hours 35 to 39
    ]
    assert (of_price["support_level"], of_price["stretches"], of_price["falls"]) == (100.0, 0, [])


def test_a_fall_before_it_was_met_follows_nothing_and_unknown_is_not_met():
    told = before_falls(monitored([None] * 300 + [True] * 200, [None] * 500), HOURS, [fall(200)])
    assert [(its["stretches"], its["followed"]) for its in told] == [(1, 0), (0, 0)]


def test_without_levels_there_is_nothing_to_tell():
    assert before_falls(monitored([], []), HOURS, [fall(10)]) == []
