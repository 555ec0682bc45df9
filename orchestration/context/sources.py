"""The sources of context: where each is asked, how its answer is read, and from when on a value can be known.

Pure functions; nothing here waits for a network. Rows are what an answer says, as text: whether it can be right is
decided at the border (data_contracts/raw_context.yml).
"""

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NoReturn

ABSENT = {"", "."}  # how the CSVs say that a day has no value: a holiday
CUT_SHORT = "the answer ends within this row"


class Unreadable(Exception):
    """An answer that isn't what the source promises; the text says in a few words what it should have been."""


@dataclass(frozen=True)
class Row:
    """An observation as it stands in an answer: day and value as text, the source's own row, what is wrong with it."""

    observed_date: str
    value: str
    payload: str
    fault: str | None = None


@dataclass(frozen=True)
class Source:
    """Who publishes a series: `name` is asset key, pool, prefix of addresses and column alike.

    `address(first, last, today)` asks for the days from the first to the last, both included; `read` gives the rows of
    an answer or raises Unreadable; `known_on` is the first day on which the value of a day could be known. A value is
    carried over at most `carried_days` days: as long as the series may be silent, and no longer.
    """

    name: str
    series: str
    title: str
    unit: str
    carried_days: int
    address: Callable[[date, date, date], str]
    read: Callable[[str], list[Row]]
    known_on: Callable[[date], date]


def _fear_and_greed_address(first: date, last: date, today: date) -> str:
    """It only knows how many of the latest days are wanted."""
    return f"https://api.alternative.me/fng/?limit={max((today - first).days + 1, 1)}&format=json"


def _vix_address(first: date, last: date, today: date) -> str:
    return f"https://fred.stlouisfed.org/graph/fredgraph.csv?id=VIXCLS&cosd={first}&coed={last}"


def _ciss_address(first: date, last: date, today: date) -> str:
    series = "CISS/D.U2.Z0Z.4F.EC.SS_CIN.IDX"
    period = f"startPeriod={first}&endPeriod={last}"
    return f"https://data-api.ecb.europa.eu/service/data/{series}?{period}&detail=dataonly&format=csvdata"


def read_fear_and_greed(text: str) -> list[Row]:
    """`{"data": [{"value": "9", "timestamp": "1770681600"}], "metadata": {"error": null}}`; a stamp is a day's start.

    Raises Unreadable.
    """
    try:
        answer = json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        raise Unreadable("no JSON") from None
    error = answer["metadata"].get("error") if _holds(answer, "metadata", dict) else None
    if error:
        raise Unreadable(f"an error: {str(error)[:80]}")
    if not _holds(answer, "data", list) or not all(isinstance(row, dict) for row in answer["data"]):
        raise Unreadable("no JSON with a list of rows under data")
    return [_fear_and_greed_row(row) for row in answer["data"]]


def _fear_and_greed_row(row: dict) -> Row:
    stamp, value, payload = str(row.get("timestamp", "")), str(row.get("value", "")), json.dumps(row)
    try:
        moment = datetime.fromtimestamp(int(stamp), UTC)
    except (ValueError, OverflowError, OSError):
        return Row(stamp, value, payload)
    is_midnight = moment == datetime.combine(moment.date(), datetime.min.time(), UTC)
    return Row(f"{moment.date()}", value, payload, None if is_midnight else f"timestamp {stamp} is no start of a day")


def read_vix(text: str) -> list[Row]:
    """`observation_date,VIXCLS` and a line a weekday, empty on holidays (`.` in older answers). Raises Unreadable."""
    return _read_csv(text, ("observation_date", "DATE"), "VIXCLS")


def read_ciss(text: str) -> list[Row]:
    """SDMX-CSV, of whose columns TIME_PERIOD and OBS_VALUE are read. Raises Unreadable.

    A range without any observation is answered with nothing at all.
    """
    return [] if not text.strip() else _read_csv(text, ("TIME_PERIOD",), "OBS_VALUE")


def _read_csv(text: str, days: tuple[str, ...], values: str) -> list[Row]:
    lines = text.removeprefix("\ufeff").splitlines(keepends=True)
    head = next(csv.reader(lines[:1]), [])
    at = next((name for name in days if name in head), None)
    if at is None or values not in head:
        raise Unreadable(f"no CSV with the columns {days[0]} and {values}")
    place_of_day, place_of_value = head.index(at), head.index(values)
    rows = []
    for line in lines[1:]:
        cells = next(csv.reader([line]), [])
        if not cells:
            continue
        day, value = (cells[place] if place < len(cells) else "" for place in (place_of_day, place_of_value))
        is_short = len(cells) < len(head)
        if value.strip() in ABSENT and not is_short:
            continue
        is_cut = line is lines[-1] and not line.endswith(("\n", "\r"))
        fault = CUT_SHORT if is_cut else f"{len(cells)} cells where {len(head)} belong" if is_short else None
        rows.append(Row(day.strip(), value.strip(), json.dumps(dict(zip(head, cells, strict=False))), fault))
    return rows


def _holds(answer: object, name: str, kind: type) -> bool:
    return isinstance(answer, dict) and isinstance(answer.get(name), kind)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _same_day(day: date) -> date:
    """The index of a day is published as it begins."""
    return day


def _next_weekday(day: date) -> date:
    """FRED has a close on the morning of the next business day; that this may be a holiday only makes it later."""
    return day + timedelta(days={4: 3, 5: 2}.get(day.weekday(), 1))


def _monday_after(day: date) -> date:
    """The ECB updates the indicator on Mondays with the days of the week before."""
    return day + timedelta(days=7 - day.weekday())


SOURCES = {
    source.name: source
    for source in (
        Source(
            "alternative", "fear_and_greed", "Fear and greed index of alternative.me, 0 (extreme fear) to 100",
            "points", 2, _fear_and_greed_address, read_fear_and_greed, _same_day,
        ),
        Source(
            "fred", "vix", "VIX at the close (FRED, VIXCLS): expected volatility of the S&P 500, percent a year",
            "percent", 5, _vix_address, read_vix, _next_weekday,
        ),
        Source(
            "ecb", "ciss_euro_area", "Composite indicator of systemic stress, euro area (ECB, SS_CIN), 0 to 1",
            "index", 9, _ciss_address, read_ciss, _monday_after,
        ),
    )
}  # fmt: skip
