"""How long a value stands: the SQL of `context_daily` over made-up observations, and the same said in Python."""

from datetime import date, timedelta
from pathlib import Path

import duckdb
import jinja2
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.context.sources import SOURCES

MODEL = Path(__file__).parents[2] / "dbt_project/models/marts/context/context_daily.sql"
FIRST, DAYS = date(2026, 1, 1), 40
MACROS = {
    "ref": lambda model: model,
    "periods_between": lambda start, end, grain: (
        f"unnest(range(cast({start} as timestamp), {end}, interval 1 {grain}))"
    ),
}
TABLES = """
create table int_spine_bounds as
select timestamp '2026-02-09 10:00:00' as as_of, timestamp '2026-01-01' as first_hour_at,
    timestamp '2026-02-09 10:00:00' as last_hour_at;
create table stg_coverage (exchange text, dataset text, symbol text, start_at timestamp, end_at timestamp, state text,
    reason text, ingested_at timestamp);
create table holders (holder text);
create table holders_hourly (as_of timestamp, holder text, profit_usd decimal(38, 6), held_on date, known_at timestamp,
    source text, reason text);
"""

offsets = st.sets(st.integers(-15, DAYS), max_size=DAYS)
observations = st.fixed_dictionaries(dict.fromkeys(SOURCES, offsets))


@pytest.fixture(scope="module")
def answer():
    """A function (rows of observations) -> rows of the model by (series, date)."""
    query = jinja2.Environment().from_string(MODEL.read_text()).render(**MACROS)
    with duckdb.connect() as connection:
        connection.execute(TABLES)
        declared = [(its.name, its.series, its.unit, its.carried_days) for its in SOURCES.values()]
        series = pd.DataFrame(declared, columns=["publisher", "series", "unit", "carried_days"])  # noqa: F841 (DuckDB)
        connection.execute("create table stg_context_series as select * from series")

        def ask(rows: list[tuple]) -> dict[tuple[str, date], dict]:
            connection.execute("create or replace table stg_context (publisher text, series text, observed_date date, "
                               "value double, known_at timestamp, origin text)")  # fmt: skip
            if rows:
                connection.executemany("insert into stg_context values (?, ?, ?, ?, ?, 'live')", rows)
            told = connection.execute(query)
            names = [column[0] for column in told.description]
            told = [dict(zip(names, row, strict=True)) for row in told.fetchall()]
            return {(row["series"], row["date"]): row for row in told}

        yield ask


def as_rows(days: dict[str, set[int]]) -> list[tuple]:
    """A row per source and day; its value is the number of its day."""
    rows = []
    for source in SOURCES.values():
        for offset in sorted(days[source.name]):
            day = FIRST + timedelta(days=offset)
            rows.append((source.name, source.series, day, float(offset), source.known_on(day)))
    return rows


@settings(max_examples=60, deadline=None)
@given(days=observations)
def test_a_value_is_the_latest_known_and_never_older_than_its_series_allows(answer, days):
    told = answer(as_rows(days))
    assert len(told) == DAYS * len(SOURCES)
    for source in SOURCES.values():
        for number in range(DAYS):
            day = FIRST + timedelta(days=number)
            known = [
                offset
                for offset in days[source.name]
                if 0 <= number - offset <= source.carried_days
                and source.known_on(FIRST + timedelta(days=offset)) <= day
            ]
            row = told[source.series, day]
            assert row["value"] == (max(known) if known else None)
            assert (row["reason"] is None) == bool(known)
            assert (row["observed_date"], row["known_at"] is None) == (
                (FIRST + timedelta(days=max(known)), False) if known else (None, True)
            )


@settings(max_examples=30, deadline=None)
@given(days=observations, later=st.integers(0, DAYS - 1))
def test_what_is_known_later_changes_no_earlier_row(answer, days, later):
    day = FIRST + timedelta(days=later)
    by_then = [row for row in as_rows(days) if row[4] <= day]
    before, after = answer(by_then), answer(as_rows(days))
    assert {key: row for key, row in before.items() if key[1] <= day} == {
        key: row for key, row in after.items() if key[1] <= day
    }


@pytest.mark.parametrize("source", SOURCES.values(), ids=lambda source: source.name)
def test_a_source_that_publishes_as_it_should_leaves_no_day_without_a_value(answer, source):
    """Every day, or every weekday: VIX with a holiday before and after a weekend, the CISS to the next Monday."""
    days = range(-15, DAYS)
    if source.name != "alternative":
        days = [offset for offset in days if (FIRST + timedelta(days=offset)).weekday() < 5]
    if source.name == "fred":
        days = [
            offset for offset in days if FIRST + timedelta(days=offset) not in {date(2026, 1, 19), date(2026, 1, 30)}
        ]
    told = answer(as_rows({name: set(days) if name == source.name else set() for name in SOURCES}))
    assert all(row["value"] is not None for key, row in told.items() if key[0] == source.series)
