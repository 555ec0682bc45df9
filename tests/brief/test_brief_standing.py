"""Tables shown as they stand: stabilisation and what the score rests on, and the method page beside the brief."""

import re

import duckdb

from orchestration.brief import write_brief


def cells(page: str, section: str) -> list[list[str]]:
    """The texts of a section's table, row by row."""
    found = re.search(f'<section id="{section}">.*?</section>', page, flags=re.S)
    rows = re.findall("<tr>(.*?)</tr>", found.group(), flags=re.S)
    return [re.findall("<t[hd][^>]*>(.*?)</t[hd]>", row, flags=re.S) for row in rows]


def test_stabilisation_shows_each_half_its_paces_and_what_is_unknown(page, brief):
    _, unknown, both = cells(page, "stabilisation")
    assert unknown == [
        "BTC", "75,000", "\u221210.1\u202f%", "3", "not met", "308.5\u202fM", "234.4\u202fM", "no data",
        "unknown", "unknown", "no data",
    ]  # fmt: skip
    assert both[4:] == [
        "met", "308.5\u202fM", "234.4\u202fM", "147.1\u202fM", "met", "both", "2026-02-02 00:00 UTC",
    ]  # fmt: skip
    assert "BTC 75,000: timeout" in page
    assert "gate, okx reported, a lower bound of throttled feeds" in page
    assert brief["standing"]["stabilisation"]["rows"][1]["since"] == "2026-02-02T00:00:00Z"


def test_what_the_score_rests_on_is_told_as_a_change(page):
    assert cells(page, "score_without")[1:] == [
        ["gate", "78.50", "78.50", "78.50", "\u22121.50"],
        ["okx", "no data", "0.00", "100.00", "no data"],
    ]


def test_queries_give_their_rows_again(published, brief):
    with duckdb.connect(published, read_only=True) as connection:
        for its in brief["standing"].values():
            assert len(connection.execute(its["query"]).fetchall()) == len(its["rows"]) == 2


def test_the_second_line_says_how_much_history_it_lacks(brief, figure):
    assert figure(brief, "second_line", "BTC")["value"] == 60
    reason = "it needs 30 d of hours in which all parts are certain, and has 12 d"
    assert figure(brief, "second_line", "ETH")["reason"] == reason


def test_a_warehouse_of_before_goes_without_them(tmp_path, made_warehouse, written_at):
    warehouse = made_warehouse(tmp_path)
    with duckdb.connect(warehouse) as connection:
        connection.execute("drop table stabilisation; drop table score_without")
    brief = write_brief(warehouse, tmp_path / "latest", written_at=written_at)
    assert brief["standing"] == {}
    assert '<section id="stabilisation">' not in (tmp_path / "latest" / "brief.html").read_text()


def test_the_method_page_opens_offline_beside_the_brief(published, brief):
    method = (published.parent / "latest" / "method.html").read_text()
    assert "<h1>Method</h1>" in method
    assert "<table>" in method
    assert not re.search(r"(?:src|href)=\"(?!data:)", method)
