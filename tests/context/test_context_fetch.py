"""A context series on its way to raw facts, over HTTP: what is written, quarantined, and told by receipts."""

import json
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest
import requests
from recordings import RECORDINGS, needs_recordings

from orchestration.context.sources import SOURCES
from orchestration.ingest import fetch_context, plan
from orchestration.lake import facts

NOW = datetime(2026, 2, 12, 10, 30, tzinfo=UTC)
START, END = datetime(2026, 2, 2, tzinfo=UTC), datetime(2026, 2, 13, tzinfo=UTC)


def observed(source: str, values: dict[str, float]) -> list[dict]:
    its = SOURCES[source]
    return [
        {"source": source, "series": its.series, "observed_date": date.fromisoformat(day), "value": value,
         "unit": its.unit, "known_at": pd.Timestamp(its.known_on(date.fromisoformat(day)), tz="UTC"),
         "origin": "simulated:small"}
        for day, value in values.items()
    ]  # fmt: skip


@pytest.fixture(scope="module")
def base(tape, sandbox):
    days = [f"{day:%Y-%m-%d}" for day in pd.date_range("2026-01-20", "2026-02-12")]
    weekdays = [day for day in days if date.fromisoformat(day).weekday() < 5]
    rows = observed("alternative", {day: 10 + number for number, day in enumerate(days)})
    rows += observed("fred", {day: 16.5 + number for number, day in enumerate(weekdays) if day != "2026-02-03"})
    rows += observed("ecb", {day: 0.05 + number / 1000 for number, day in enumerate(weekdays)})
    return sandbox(tape(context=rows), NOW)


@pytest.fixture
def faulty(base):
    """A function (source, kind) that makes a source go wrong until the test ends."""
    yield lambda source, kind: requests.post(
        f"{base}/_faults", json=[{"exchange": source, "kind": kind}], timeout=10
    ).raise_for_status()
    requests.delete(f"{base}/_faults", timeout=10)


def fetched(home, source, url, start=START, end=END, now=NOW):
    return fetch_context(home, SOURCES[source], start, end, now, url)


def receipts(home) -> list[tuple]:
    rows = facts.read_raw(home, "coverage").sort_values(["start_at", "end_at"])
    return [
        (f"{row.start_at:%m-%dT%H}", f"{row.end_at:%m-%dT%H}", row.state, None if pd.isna(row.reason) else row.reason)
        for row in rows.itertuples()
    ]


def test_a_range_is_fetched_with_the_days_that_are_carried_into_it(base, tmp_path):
    """Fear and greed is carried for 2 days: of the range from the 2nd on, January the 31st is asked for too."""
    outcome = fetched(tmp_path, "alternative", base)
    rows = facts.read_raw(tmp_path, "context").sort_values("observed_date")
    assert (outcome.written.new, outcome.quarantined, outcome.failures) == (13, 0, [])
    assert [f"{day:%m-%d}" for day in rows["observed_date"].iloc[[0, -1]]] == ["01-31", "02-12"]
    assert rows["value"].tolist() == [float(value) for value in range(21, 34)]
    assert set(rows["origin"]) == {"simulated:small"}
    assert json.loads(rows["payload"].iloc[0])["value"] == "21"
    assert receipts(tmp_path) == [("01-31T00", "02-12T10", "complete", None)]


def test_what_a_source_has_not_published_is_not_there(base, tmp_path):
    """On Thursday the 12th, VIX is known to Wednesday and the CISS to the Friday before; the 3rd is a holiday."""
    for source in ("fred", "ecb"):
        fetched(tmp_path, source, base)
    rows = facts.read_raw(tmp_path, "context")
    assert rows.groupby("series")["observed_date"].max().dt.strftime("%m-%d").to_dict() == {
        "vix": "02-11", "ciss_euro_area": "02-06",
    }  # fmt: skip
    assert "2026-02-03" not in set(rows.loc[rows["series"] == "vix", "observed_date"].astype(str))
    assert (rows["known_at"] <= pd.Timestamp(NOW)).all()


def test_the_same_again_writes_nothing_and_a_past_range_nothing_later(base, tmp_path):
    fetched(tmp_path, "fred", base)
    again = fetched(tmp_path, "fred", base).written
    assert (again.new, again.changed, again.unchanged > 0) == (0, 0, True)
    past = fetched(tmp_path / "past", "alternative", base, end=datetime(2026, 2, 5, tzinfo=UTC))
    assert past.written.new == 5
    assert receipts(tmp_path / "past") == [("01-31T00", "02-05T00", "complete", None)]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("server_error", "{}: HTTP 500 (asked 3 times)"),
        ("geo_block", "{}: HTTP 403"),
        ("truncated", "{}: its answer was cut short (asked 3 times)"),
        ("html", "{}: its answer is no "),
    ],
)
@pytest.mark.parametrize("source", SOURCES)
def test_a_source_that_fails_leaves_a_receipt_and_no_value(base, faulty, tmp_path, source, kind, reason):
    faulty(source, kind)
    outcome = fetched(tmp_path, source, base)
    (failure,) = outcome.failures
    assert failure.startswith(reason.format(source))
    assert facts.read_raw(tmp_path, "context").empty
    assert [state for _, _, state, why in receipts(tmp_path) if why == failure] == ["failed"]
    kept = list((tmp_path / "quarantine").rglob("*.parquet"))
    assert len(kept) == (kind == "html")
    if kept:
        assert "Checking your browser" in pd.read_parquet(kept[0])["row"].iloc[0]


def test_a_failure_takes_back_nothing_and_the_next_answer_makes_it_whole(base, faulty, tmp_path):
    fetched(tmp_path, "fred", base)
    faulty("fred", "server_error")
    fetched(tmp_path, "fred", base)
    assert receipts(tmp_path) == [("01-28T00", "02-12T10", "complete", None)]


@pytest.mark.parametrize("source", SOURCES)
def test_an_empty_answer_is_an_answer_without_values(base, faulty, tmp_path, source):
    faulty(source, "empty")
    outcome = fetched(tmp_path, source, base)
    assert (outcome.failures, outcome.written.new, receipts(tmp_path)[0][2]) == ([], 0, "complete")


REFUSED = [
    ("2026-02-10,NaN", "value: 'NaN' is no number"),
    ("2026-02-10,high", "value: 'high' is no number"),
    ("2026-02-10,-3", "vix_is_above_0_and_at_most_200"),
    ("2026-02-10,1789", "vix_is_above_0_and_at_most_200"),
    ("2026-02-10,inf", "value: 'inf' is no number"),
    ("2026-02-30,17.89", "observed_date: '2026-02-30' is no date"),
    ("10.02.2026,17.89", "observed_date: '10.02.2026' is no date"),
    ("2027-02-10,17.89", "observed_date lies after 2026-02-12T10:30:00Z"),
    ("2026-02-09,17.89", "duplicate key"),
]


@pytest.mark.parametrize(("line", "reason"), REFUSED)
def test_a_row_that_cannot_be_right_is_quarantined_and_the_others_go_on(serving_text, tmp_path, line, reason):
    url = serving_text(f"observation_date,VIXCLS\n2026-02-09,17.36\n{line}\n2026-02-11,17.65\n")
    outcome = fetched(tmp_path, "fred", url)
    assert facts.read_raw(tmp_path, "context").sort_values("observed_date")["value"].tolist() == [17.36, 17.65]
    assert (outcome.written.new, outcome.quarantined) == (2, 1)
    (kept,) = (tmp_path / "quarantine" / "context").glob("*.parquet")
    assert reason in pd.read_parquet(kept)["reason"].iloc[0]
    if line.startswith("2026-02-10"):
        (whole, (*hours, state, why), _) = receipts(tmp_path)
        assert (whole[2], hours, state) == ("complete", ["02-10T00", "02-11T00"], "partial")
        assert why.startswith(f"fred: refused: {reason}")


def test_the_row_in_which_an_answer_ends_is_quarantined(serving_text, tmp_path):
    fetched(tmp_path, "fred", serving_text("observation_date,VIXCLS\n2026-02-09,17.36\n2026-02-10,1"))
    assert facts.read_raw(tmp_path, "context")["value"].tolist() == [17.36]


def test_what_a_source_revises_becomes_a_revision(serving_text, tmp_path):
    head = "KEY,TIME_PERIOD,OBS_VALUE\n"
    fetched(tmp_path, "ecb", serving_text(f"{head}x,2026-02-06,0.0776\n"))
    outcome = fetched(tmp_path, "ecb", serving_text(f"{head}x,2026-02-06,0.0779\n"), now=NOW + timedelta(days=1))
    (row,) = facts.read_raw(tmp_path, "context").to_dict("records")
    assert (outcome.written.changed, row["value"], row["revision"]) == (1, 0.0779, 1)
    superseded = [file for file in (tmp_path / "raw" / "superseded" / "context").rglob("*.parquet") if file.is_file()]
    assert [pd.read_parquet(file)["value"].tolist() for file in superseded] == [[0.0776]]


def test_context_is_no_reason_to_fetch_more_of_an_exchange(base, tmp_path):
    fetched(tmp_path, "ecb", base, start=datetime(2026, 1, 20, tzinfo=UTC))
    spans = plan(tmp_path, "gate", ("BTC",), NOW)
    assert min(span.start for span in spans) >= datetime(2026, 2, 12, tzinfo=UTC)


@needs_recordings
def test_recorded_context_is_served_from_its_csvs(sandbox, tmp_path):
    """As alternative.me and FRED had it: 5 on 2026-02-12, and VIX at 17.6499996185303 on the 11th."""
    url = sandbox(RECORDINGS / "context", NOW)
    for source in ("alternative", "fred"):
        fetched(tmp_path, source, url, start=datetime(2020, 3, 1, tzinfo=UTC))
    rows = facts.read_raw(tmp_path, "context").set_index(["series", "observed_date"])["value"]
    assert rows["fear_and_greed", pd.Timestamp("2026-02-12")] == 5
    assert rows["vix", pd.Timestamp("2026-02-11")] == 17.6499996185303
    assert rows["vix", pd.Timestamp("2020-03-16")] == 82.6900024414063
    assert set(facts.read_raw(tmp_path, "context")["origin"]) == {"replayed:context"}
    assert list((tmp_path / "quarantine").rglob("*.parquet")) == []
