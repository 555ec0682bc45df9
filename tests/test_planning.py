"""What the schedule asks for: every hour that isn't answered, nothing twice without need, in the fewest requests."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration import planning
from orchestration.exchanges import declared
from orchestration.planning import Span, missing

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = datetime(2026, 2, 12, 10, 5, tzinfo=UTC)
TODAY = datetime(2026, 2, 12, tzinfo=UTC)
SINCE = TODAY - timedelta(days=40)
BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
HOURLY = (("candles",), ("open_interest",), ("funding_rates",))  # of bybit


def receipt(dataset, start, end, state="complete", symbol=BTC, at=None, feed="rest"):
    return {"dataset": dataset, "symbol": symbol, "start_at": start, "end_at": end, "feed": feed, "state": state,
            "ingested_at": at or end}  # fmt: skip


def asked_up_to(end, *datasets, symbol=BTC, since=SINCE):
    """Receipts of a home that was asked for all until `end`, five minutes later."""
    return [
        receipt(dataset, since, end, symbol=symbol, at=end + timedelta(minutes=5))
        for dataset in datasets or ("candles", "open_interest", "funding_rates")
    ]


def plan(receipts, exchange="bybit", contracts=(BTC,), since=SINCE, now=NOW):
    ends = contracts if isinstance(contracts, dict) else dict.fromkeys(contracts)
    return missing(exchange, pd.DataFrame(receipts, columns=list(receipt("", SINCE, SINCE))), ends, since, now)


def hours_of(spans, dataset="candles", symbol=BTC):
    """Ranges of a series as hours before midnight of today (negative) and after it."""
    return [
        ((span.start - TODAY) // HOUR, (span.end - TODAY) // HOUR)
        for span in spans
        if dataset in span.datasets and symbol in span.symbols
    ]


def test_new_home_asks_for_today():
    spans = plan([], since=TODAY)
    assert spans == [Span(group, (BTC,), TODAY, TODAY + 10 * HOUR) for group in HOURLY]


def test_home_that_is_up_to_date_asks_for_today_alone():
    assert hours_of(plan(asked_up_to(TODAY + 9 * HOUR))) == [(0, 10)]


def test_last_hours_of_yesterday_are_asked_for_past_midnight_since_they_may_only_be_late():
    receipts = [
        receipt("candles", TODAY - DAY, TODAY - HOUR, at=TODAY - timedelta(minutes=55)),
        receipt("candles", TODAY - HOUR, TODAY, "partial", at=TODAY + timedelta(minutes=5)),
    ]
    past_midnight = [TODAY + timedelta(hours=hours, minutes=5) for hours in range(4)]
    asked = [hours_of(plan(receipts, now=now, since=TODAY - DAY))[0] for now in past_midnight]
    assert asked == [(-3, 0), (-2, 1), (-1, 2), (0, 3)]


def test_outage_of_two_days_is_asked_for_in_one_range_with_today():
    spans = plan(asked_up_to(TODAY - 40 * HOUR, "candles"), contracts=(BTC,))
    first, last = hours_of(spans)[-1]
    assert (first <= -40, last) == (True, 10)
    assert len(hours_of(spans)) == 1


def test_hours_that_nobody_asked_for_amid_others_are_asked_for():
    receipts = [
        *asked_up_to(TODAY - 30 * DAY, "candles"),
        receipt("candles", TODAY - 27 * DAY, TODAY + 9 * HOUR, at=NOW - HOUR),
    ]
    assert hours_of(plan(receipts)) == [(-30 * 24, 10)]  # today fits into the same page
    receipts = [
        *asked_up_to(TODAY - 600 * DAY, "candles", since=TODAY - 700 * DAY),
        receipt("candles", TODAY - 597 * DAY, TODAY + 9 * HOUR, at=NOW - HOUR),
    ]
    assert hours_of(plan(receipts, since=TODAY - 700 * DAY)) == [(-600 * 24, -597 * 24), (0, 10)]


def test_failed_hours_are_asked_for_by_every_run_until_one_is_answered():
    failed = receipt("candles", TODAY - 5 * HOUR, TODAY - 3 * HOUR, "failed", at=TODAY - 3 * HOUR)
    rest = [receipt("candles", SINCE, TODAY - 5 * HOUR, at=TODAY - 5 * HOUR),
            receipt("candles", TODAY - 3 * HOUR, TODAY + 9 * HOUR, at=NOW - HOUR)]  # fmt: skip
    assert hours_of(plan([failed, *rest])) == [(-5, 10)]
    answered = receipt("candles", TODAY - 6 * HOUR, TODAY + 9 * HOUR, at=NOW - HOUR)
    assert hours_of(plan([failed, *rest, answered])) == [(0, 10)]


@pytest.mark.parametrize(
    ("age", "is_asked"),
    [
        (23 * HOUR, False), (24 * HOUR, True), (25 * HOUR, False), (3 * DAY, False), (7 * DAY, True),
        (7 * DAY + HOUR, False), (14 * DAY, False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("state", ["partial", "unavailable"])
def test_hole_is_asked_for_again_a_day_and_a_week_after_it_was_answered(age, is_asked, state):
    """The schedule ran every hour, last 50 minutes ago; the hole is too old for a day's own second look."""
    answered_at = NOW - age - timedelta(minutes=10)
    hole = receipt("candles", SINCE + 9 * DAY, SINCE + 9 * DAY + HOUR, state, at=answered_at)
    receipts = [
        receipt("candles", SINCE, SINCE + 9 * DAY, at=SINCE + 9 * DAY),
        hole,
        receipt("candles", SINCE + 9 * DAY + HOUR, TODAY + 9 * HOUR, at=NOW - timedelta(minutes=55)),
    ]
    hour = 9 * 24 - 40 * 24
    assert any(first <= hour < last for first, last in hours_of(plan(receipts))) == is_asked


def test_partial_hour_inside_yesterday_is_asked_for_a_day_after_its_answer():
    noon = TODAY - 12 * HOUR
    receipts = [
        receipt("candles", SINCE, noon - 3 * HOUR, at=noon),
        receipt("candles", noon - 3 * HOUR, noon - 2 * HOUR, "partial", at=NOW - DAY - timedelta(minutes=1)),
        receipt("candles", noon - 2 * HOUR, TODAY + 9 * HOUR, at=NOW - HOUR),
    ]
    assert hours_of(plan(receipts)) == [(-15, 10)]


def test_second_looks_that_a_sleep_has_missed_are_made_up_for_by_the_next_run():
    """Awake again after ten days: the hole's second looks and those of the days before lie all behind."""
    asleep = TODAY - 10 * DAY
    receipts = [
        receipt("candles", SINCE, asleep - 20 * HOUR, at=asleep),
        receipt("candles", asleep - 20 * HOUR, asleep - 19 * HOUR, "partial", at=asleep - 18 * HOUR),
        receipt("candles", asleep - 19 * HOUR, asleep, at=asleep + timedelta(minutes=5)),
    ]
    spans = plan(receipts)
    assert hours_of(spans) == [(-17 * 24, 10)]  # the day that ended a week before the sleep began is due


def test_every_day_is_asked_for_once_more_a_day_and_a_week_after_its_end():
    """On okx a page of open interest holds 100 hours, so two days a week apart are two requests."""
    receipts = asked_up_to(TODAY - HOUR, "open_interest")
    midnight = plan(receipts, "okx", now=TODAY + timedelta(minutes=5))
    assert hours_of(midnight, "open_interest") == [(-8 * 24, -7 * 24), (-48, 0)]
    an_hour_later = [*receipts, receipt("open_interest", TODAY - 2 * DAY, TODAY, at=TODAY + timedelta(minutes=5))]
    assert hours_of(plan(an_hour_later, "okx", now=TODAY + timedelta(minutes=65)), "open_interest") == [(-2, 1)]


def test_second_look_that_failed_is_made_by_the_next_run():
    receipts = asked_up_to(TODAY - HOUR, "open_interest")
    failed = receipt("open_interest", TODAY - 8 * DAY, TODAY, "failed", at=TODAY + timedelta(minutes=5))
    spans = plan([*receipts, failed], "okx", now=TODAY + timedelta(minutes=65))
    assert hours_of(spans, "open_interest") == [(-8 * 24, -7 * 24), (-48, 1)]


def test_backfill_of_the_past_is_no_second_look():
    receipts = [
        *asked_up_to(TODAY - HOUR, "open_interest"),
        receipt("open_interest", SINCE - 9 * DAY, SINCE, at=TODAY + timedelta(minutes=2)),
    ]
    midnight = plan(receipts, "okx", now=TODAY + timedelta(minutes=5))
    assert hours_of(midnight, "open_interest") == [(-8 * 24, -7 * 24), (-48, 0)]


def test_nothing_older_than_the_exchange_keeps_is_asked_for():
    spans = plan([], "binance", since=TODAY - 100 * DAY)
    assert hours_of(spans, "open_interest") == [(-30 * 24 + 11, 10)]
    assert hours_of(spans, "candles") == [(-100 * 24, 10)]


def test_what_was_not_there_before_a_series_began_is_not_asked_for_again():
    receipts = [
        receipt("candles", SINCE, TODAY - 20 * DAY, "unavailable", at=NOW - DAY - timedelta(minutes=30)),
        receipt("candles", TODAY - 20 * DAY, TODAY + 9 * HOUR, at=NOW - HOUR),
    ]
    assert hours_of(plan(receipts)) == [(0, 10)]


def test_nothing_is_asked_for_after_the_end_of_a_contract():
    receipts = [*asked_up_to(TODAY - 40 * HOUR, "candles")]
    spans = plan(receipts, contracts={BTC: TODAY - 38 * HOUR})
    assert hours_of(spans)[-1][1] == -38


def test_asset_that_was_added_is_asked_for_alone():
    spans = plan(asked_up_to(TODAY + 9 * HOUR), contracts=(BTC, ETH))
    assert hours_of(spans) == [(0, 10)]
    assert hours_of(spans, symbol=ETH) == [(-40 * 24, 10)]


def test_own_recording_of_an_hour_needs_no_fetch():
    receipts = [
        *asked_up_to(TODAY - 30 * DAY, "candles"),
        receipt("candles", TODAY - 30 * DAY, TODAY - 27 * DAY, at=NOW, feed="import"),
        receipt("candles", TODAY - 27 * DAY, TODAY + 9 * HOUR, at=NOW - HOUR),
    ]
    assert hours_of(plan(receipts)) == [(0, 10)]


def test_settlements_are_asked_for_by_whole_days():
    receipts = asked_up_to(TODAY - 5 * HOUR, "funding_rates", since=TODAY - DAY)
    assert hours_of(plan(receipts, since=TODAY - DAY), "funding_rates") == [(-24, 10)]


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 12))
def test_windows_hold_every_hour_in_the_fewest_requests(needed, limit):
    import numpy as np

    ranges = list(planning._windows(np.array(needed, dtype=bool), limit))
    covered = {hour for first, last in ranges for hour in range(first, last)}
    assert {hour for hour, is_needed in enumerate(needed) if is_needed} <= covered
    assert sum(last - first for first, last in ranges) == len(covered)
    requests = sum(-(-(last - first) // limit) for first, last in ranges)
    fewest, end = 0, 0
    for hour, is_needed in enumerate(needed):
        if is_needed and hour >= end:
            fewest, end = fewest + 1, hour + limit
    assert requests == fewest


# --- how long asking may take


def test_time_allowed_grows_with_the_requests_that_a_range_needs():
    def minutes(days, datasets=("candles",), exchange="okx"):
        span = planning.Span(datasets, ("BTC/USDT:USDT", "ETH/USDT:USDT"), NOW - timedelta(days=days), NOW)
        return planning.allowed_seconds(exchange, [span], NOW) / 60

    assert planning.allowed_seconds("okx", [], NOW) == planning.BASE_SECONDS == 600
    per_page = planning.hours_per_request("okx", ("candles",))
    pages_of_a_year = 2 * -(-365 * 24 // per_page)
    assert minutes(1) == pytest.approx(10 + 2 * 5 / 60)
    assert minutes(365) == pytest.approx(10 + pages_of_a_year * 5 / 60)
    assert minutes(365, ("liquidations",)) == minutes(3650, ("liquidations",)) < 60 * 3  # no more than is still served


@pytest.mark.parametrize("exchange", sorted(declared()))
def test_every_request_of_every_endpoint_has_some_seconds(exchange):
    spans = [
        planning.Span(group, ("BTC/USDT:USDT",), NOW - timedelta(hours=5), NOW) for group in declared()[exchange].groups
    ]
    assert planning.allowed_seconds(exchange, spans, NOW) >= planning.BASE_SECONDS + 5 * len(spans)
    ahead = planning.Span(
        declared()[exchange].groups[0], ("BTC/USDT:USDT",), NOW + timedelta(days=1), NOW + timedelta(days=2)
    )
    assert planning.allowed_seconds(exchange, [ahead], NOW) == planning.BASE_SECONDS
