"""What the brief says of claims: each row of claim_checks, escaped, and nothing where there is no such table."""

import duckdb
import pytest

from orchestration.brief import write_brief
from orchestration.brief.claims import claimed

CLAIM_CHECKS = """
create table claim_checks as
select * from (values
    ('<b>1</b>', 'A: "about <i>237</i> M"', 'long_liquidations', 'BTC', '24h', 'million_usd', 'equals', 237.0, 2.37,
        timestamp '2026-02-11 23:00', 'supported', 236.99, 1.0, true, null, 'select 1 < 2', 'ours <u>236.99</u>'),
    ('2', 'A: must hold', 'price', 'BTC', 'now', 'usd', 'holds', 75000.0, 0.0, timestamp '2026-02-11 23:00', 'stale',
        67560.0, 1.0, false, timestamp '2026-02-02 13:00', 'select 2', 'it was so'),
    ('3', 'A: loses', 'unrealised_loss', 'Strategy', 'now', 'usd', 'exceeds', 9.0, 0.0, timestamp '2026-02-11 23:00',
        'not_checkable', null, null, null, null, 'select 3', 'no table')
) as rows (claim, source, metric, scope, "window", unit, relation, value, tolerance, as_of, verdict, figure,
    observed_ratio, is_lower_bound, implied_as_of, query, reason)
"""


@pytest.fixture(scope="module")
def told(published, tmp_path_factory, written_at):
    """The brief of a warehouse with claims, and its page."""
    warehouse = tmp_path_factory.mktemp("claims") / "warehouse.duckdb"
    warehouse.write_bytes(published.read_bytes())
    with duckdb.connect(warehouse) as connection:
        connection.execute(CLAIM_CHECKS)
    brief = write_brief(warehouse, warehouse.parent, written_at=written_at)
    return brief, (warehouse.parent / "brief.html").read_text()


def test_every_claim_is_told_with_its_moments(told):
    brief, _ = told
    assert [(row["verdict"], row["as_of"], row["implied_as_of"]) for row in brief["claims"]] == [
        ("stale", "2026-02-11T23:00:00Z", "2026-02-02T13:00:00Z"),
        ("not_checkable", "2026-02-11T23:00:00Z", None),
        ("supported", "2026-02-11T23:00:00Z", None),
    ]


def test_the_page_shows_verdict_figure_completeness_and_query_and_escapes_what_others_wrote(told):
    _, page = told
    section = page.partition('<section id="claims">')[2].partition("</section>")[0]
    assert "1 not checkable, 1 stale, 1 supported." in section
    assert "≥ 236.99 million USD" in section
    assert "± 2.37 million USD" in section
    assert "holds 75,000 USD" in section
    assert "2026-02-02 13:00 UTC" in section
    assert "no data" in section
    assert "select 1 &lt; 2" in section
    for foreign in ("<b>1</b>", "<i>237</i>", "<u>236.99</u>"):
        assert foreign not in page


def test_a_warehouse_without_claims_has_no_such_section(brief, page):
    assert brief["claims"] == []
    assert '<section id="claims">' not in page


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (("BTC", "liquidations", "7d"), "BTC liquidations, 7 d"),
        (("unstated", "open_interest_change_usd", "24h"), "open interest change, 24 h"),
        (("ALL", "open_interest_fall_from_peak", "all"), "ALL open interest fall from peak, of all that is known"),
        (("unstated", "vix", "now"), "vix"),
    ],
)
def test_what_is_claimed_reads_as_words(row, words):
    assert claimed(dict(zip(("scope", "metric", "window"), row, strict=True))) == words
