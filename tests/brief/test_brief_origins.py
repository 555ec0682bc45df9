"""What of a warehouse is not live, and how that is said."""

import duckdb
import pytest

from orchestration.brief.origins import origins


@pytest.fixture
def said():
    """A function ((dataset, exchange, origin), ...) -> what is said of a warehouse with such rows."""

    def say(*rows):
        with duckdb.connect() as connection:
            connection.execute(
                "create table origins (dataset text, exchange text, origin text, first_at timestamp, last_at timestamp)"
            )
            for row in rows:
                connection.execute("insert into origins values (?, ?, ?, '2026-01-01', '2026-02-12')", row)
            return origins(connection)

    return say


def test_live_figures_need_no_mark(said):
    assert said(("candles", "gate", "live")).mark == ""


def test_replayed_figures_are_marked_with_tape_exchanges_and_days(said):
    replayed = said(("candles", "okx", "replayed:crash"), ("open_interest", "gate", "replayed:crash"))
    assert replayed.mark == "REPLAYED"
    assert replayed.sentences == [
        "crash, rows of gate and okx, 2026-01-01 to 2026-02-12: recorded figures, served again in an exchange's place"
    ]


def test_one_row_that_is_not_live_marks_the_whole_in_part(said):
    assert said(("candles", "okx", "simulated:x"), ("candles", "gate", "live")).mark == "SIMULATED IN PART"
    assert said(("candles", "okx", "simulated:x"), ("candles", "gate", "replayed:y")).mark == "SIMULATED AND REPLAYED"


def test_receipts_and_listings_are_no_figures(said):
    """The receipt of a failed request, and what an exchange lists, make no figure live."""
    assert said(("candles", "okx", "simulated:x"), ("coverage", "okx", "live")).mark == "SIMULATED"


def test_a_warehouse_of_an_earlier_version_names_the_way_out():
    with duckdb.connect() as connection, pytest.raises(ValueError, match="refresh"):
        origins(connection)
