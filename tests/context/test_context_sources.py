"""Context sources: what each is asked, how its answers are read, and from when on a value is known."""

import json
from datetime import date

import pytest

from orchestration.context.sources import CUT_SHORT, SOURCES, Row, Unreadable, read_ciss, read_fear_and_greed, read_vix

FIRST, LAST, TODAY = date(2026, 2, 5), date(2026, 2, 11), date(2026, 2, 12)

FEAR_AND_GREED = """{
    "name": "Fear and Greed Index",
    "data": [
        {"value": "5", "value_classification": "Extreme Fear", "timestamp": "1770854400", "time_until_update": "60"},
        {"value": "11", "value_classification": "Extreme Fear", "timestamp": "1770768000"}
    ],
    "metadata": {"error": null}
}"""
VIX = "observation_date,VIXCLS\n2026-01-16,15.86\n2026-01-19,\n2026-01-20,20.09\n"
CISS = (
    "KEY,FREQ,REF_AREA,CURRENCY,PROVIDER_FM,INSTRUMENT_FM,PROVIDER_FM_ID,DATA_TYPE_FM,TIME_PERIOD,OBS_VALUE\r\n"
    "CISS.D.U2.Z0Z.4F.EC.SS_CIN.IDX,D,U2,Z0Z,4F,EC,SS_CIN,IDX,2026-02-05,0.0654\r\n"
    "CISS.D.U2.Z0Z.4F.EC.SS_CIN.IDX,D,U2,Z0Z,4F,EC,SS_CIN,IDX,2026-02-06,0.0776\r\n"
)


def told(rows: list[Row]) -> list[tuple[str, str]]:
    assert all(row.fault is None for row in rows)
    return [(row.observed_date, row.value) for row in rows]


def test_fear_and_greed_is_that_of_the_day_that_its_stamp_begins():
    """1,770,854,400 s are 20,496 days of 86,400 s since 1970: 2026-02-12."""
    assert told(read_fear_and_greed(FEAR_AND_GREED)) == [("2026-02-12", "5"), ("2026-02-11", "11")]


def test_fear_and_greed_within_a_day_belongs_to_none():
    """1,770,858,000 s are an hour more."""
    (row,) = read_fear_and_greed('{"data": [{"value": "5", "timestamp": "1770858000"}]}')
    assert row.fault == "timestamp 1770858000 is no start of a day"


def test_a_holiday_of_vix_is_no_row():
    """Martin Luther King's day, 2026-01-19, is empty; FRED wrote a dot before 2025, under another head."""
    assert told(read_vix(VIX)) == [("2026-01-16", "15.86"), ("2026-01-20", "20.09")]
    assert told(read_vix("DATE,VIXCLS\n2026-01-16,15.86\n2026-01-19,.\n")) == [("2026-01-16", "15.86")]


def test_ciss_is_read_by_the_names_of_its_columns():
    assert told(read_ciss(CISS)) == [("2026-02-05", "0.0654"), ("2026-02-06", "0.0776")]
    assert told(read_ciss("OBS_VALUE,OTHER,TIME_PERIOD\n0.0776,x,2026-02-06\n")) == [("2026-02-06", "0.0776")]
    assert read_ciss("") == []


def test_a_row_keeps_what_the_source_said():
    assert json.loads(read_vix(VIX)[0].payload) == {"observation_date": "2026-01-16", "VIXCLS": "15.86"}


GARBAGE = (
    *("<!DOCTYPE html><html>Checking your browser</html>", "null", "[]", "{}", "7", '"x"', "\x00\xff", "a,b\n1,2\n"),
    *('{"data": "none"}', '{"data": [1, 2]}', '{"data": [{"value": NaN, "timestamp": "1770854400"}]}'),
    *('{"data": [], "metadata": {"error": "Too many <b>requests</b>"}}', FEAR_AND_GREED[:200]),
)


@pytest.mark.parametrize("text", GARBAGE)
@pytest.mark.parametrize("read", [read_fear_and_greed, read_vix, read_ciss])
def test_an_answer_of_another_kind_is_unreadable(read, text):
    with pytest.raises(Unreadable, match=r"^(no JSON|no CSV with the columns|an error: )"):
        read(text)


@pytest.mark.parametrize("read", [read_fear_and_greed, read_vix])
def test_nothing_at_all_is_unreadable(read):
    with pytest.raises(Unreadable):
        read("")


def test_a_row_in_which_the_answer_ends_is_no_value():
    """20.09 that is cut to 20 or to 2 looks like a figure."""
    *whole, cut = read_vix(VIX.removesuffix(".09\n"))
    assert told(whole) == [("2026-01-16", "15.86")]
    assert (cut.observed_date, cut.value, cut.fault) == ("2026-01-20", "20", CUT_SHORT)
    assert read_ciss(CISS[:-30])[-1].fault == CUT_SHORT
    assert read_vix("observation_date,VIXCLS\n2026-01-16\n2026-01-20,20.09\n")[0].fault == "1 cells where 2 belong"


@pytest.mark.parametrize(
    ("source", "address"),
    [
        # 2026-02-05 to 2026-02-12 are the latest 8 days
        ("alternative", "https://api.alternative.me/fng/?limit=8&format=json"),
        ("fred", "https://fred.stlouisfed.org/graph/fredgraph.csv?id=VIXCLS&cosd=2026-02-05&coed=2026-02-11"),
        (
            "ecb",
            "https://data-api.ecb.europa.eu/service/data/CISS/D.U2.Z0Z.4F.EC.SS_CIN.IDX"
            "?startPeriod=2026-02-05&endPeriod=2026-02-11&detail=dataonly&format=csvdata",
        ),
    ],
)
def test_a_range_is_one_request(source, address):
    assert SOURCES[source].address(FIRST, LAST, TODAY) == address


@pytest.mark.parametrize(
    ("source", "observed", "known"),
    [
        ("alternative", "2026-02-12", "2026-02-12"),
        ("fred", "2026-02-11", "2026-02-12"),
        ("fred", "2026-02-06", "2026-02-09"),  # Friday's close on Monday
        ("ecb", "2026-02-02", "2026-02-09"),  # Monday to Friday on the Monday after
        ("ecb", "2026-02-06", "2026-02-09"),
        ("ecb", "2026-02-09", "2026-02-16"),
    ],
)
def test_a_value_is_known_when_its_source_publishes_it(source, observed, known):
    assert SOURCES[source].known_on(date.fromisoformat(observed)) == date.fromisoformat(known)
