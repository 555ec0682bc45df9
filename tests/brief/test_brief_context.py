"""What the brief says of context."""

from datetime import UTC, datetime

import duckdb
import pytest

from orchestration.brief import write_brief
from orchestration.brief.context import context

AS_OF = datetime(2026, 2, 12, tzinfo=UTC)
TABLES = """
create table holders_hourly as select timestamp '2026-02-12' as as_of, 'Strategy' as holder, 'BTC' as asset,
    714644.0::decimal(38, 12) as coins, 76056::decimal(38, 6) as average_cost_usd;
create table context_daily as
select date '2026-02-12' as date, series, value::double as value, unit, observed_date, known_at, 'source' as source,
    reason
from (values
    ('holder:Strategy', -6150226264.0, 'USD', date '2026-02-08', timestamp '2026-02-09 14:00:00', null),
    ('vix', null, 'percent', null, null, 'fred: <b>HTTP 500</b>'),
    ('ciss_euro_area', 0.0776, 'index', date '2026-02-06', timestamp '2026-02-09', null),
    ('fear_and_greed', 7.0, 'points', date '2026-02-11', timestamp '2026-02-11', null)
) as rows(series, value, unit, observed_date, known_at, reason)
union all
select date '2026-02-11', 'vix', 21.5::double, 'percent', date '2026-02-10', timestamp '2026-02-11', 'source', null
"""


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory, made_warehouse):
    path = made_warehouse(tmp_path_factory.mktemp("context"))
    with duckdb.connect(path) as connection:
        connection.execute(TABLES)
    return path


def test_every_series_of_the_day_in_order_with_its_value_or_reason(warehouse):
    with duckdb.connect(warehouse, read_only=True) as connection:
        told = context(connection, AS_OF)
    said = [(row["label"], row["text"].replace("\u202f", " "), row["observed_date"], row["reason"]) for row in told]
    assert said == [
        ("Fear and greed", "7", "2026-02-11", None),
        ("VIX", "no data", None, "fred: <b>HTTP 500</b>"),
        ("CISS, euro area", "0.0776", "2026-02-06", None),
        ("Strategy, 714,644 BTC at 76,056 USD", "\u22126.15 B USD", "2026-02-08", None),
    ]
    assert [row["known_at"] for row in told][-1] == "2026-02-09T14:00:00Z"


def test_each_value_is_the_answer_to_its_query(warehouse):
    with duckdb.connect(warehouse, read_only=True) as connection:
        for row in context(connection, AS_OF):
            assert connection.execute(row["query"]).fetchone() == (row["value"],)


def test_the_page_shows_them_and_escapes_what_others_said(warehouse, tmp_path, written_at):
    write_brief(warehouse, tmp_path, written_at=written_at)
    page = (tmp_path / "brief.html").read_text()
    assert "fred: &lt;b&gt;HTTP 500&lt;/b&gt;" in page
    assert "fred: <b>" not in page


def test_a_warehouse_without_context_says_nothing_of_it(published, brief, page):
    assert brief["context"] == []
    assert 'id="context"' not in page
