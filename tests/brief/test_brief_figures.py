"""Figures: each the answer to its own query, how complete, and why it is missing."""

from datetime import timedelta

import duckdb
import pytest

from orchestration.brief import write_brief


def test_every_query_gives_the_figure_again(published, brief, answers):
    for told, answer in answers(published, brief):
        assert answer == told.get("value", told.get("observed_ratio")), told


def test_figures_that_the_articles_quote(brief, figure):
    longs = figure(brief, "long_usd_24h", "BTC")
    assert longs["value"] == 1.5 * 237e6
    assert longs["as_of"] == brief["as_of"] == "2026-02-12T00:00:00Z"
    assert longs["completeness"] == {
        "text": "observed 96\u202f%, lower bound", "observed_ratio": 0.96, "is_lower_bound": True,
    }  # fmt: skip
    assert figure(brief, "full_reporting_ratio", "BTC")["value"] == 0.57
    assert not figure(brief, "full_reporting_ratio", "BTC")["completeness"]["is_lower_bound"]
    assert figure(brief, "open_interest_change_24h_ratio", "ALL")["value"] == -0.044
    assert figure(brief, "peak_at", "ALL")["value"] == "2025-12-06T04:00:00Z"
    assert {row["asset"] for row in brief["figures"]} == {"ALL", "BTC", "ETH", "SOL"}


def test_open_interest_and_prices_count_their_own_contracts(brief, figure):
    assert figure(brief, "open_interest_change_24h_ratio", "BTC")["completeness"]["text"] == "2 of 2 contracts"
    assert figure(brief, "return_24h_ratio", "BTC")["completeness"]["text"] == "1 of 2 contracts"
    assert figure(brief, "return_24h_ratio", "ALL")["completeness"]["observed_ratio"] == pytest.approx(2 / 6)


def test_open_interest_of_fewer_contracts_than_are_watched_is_a_lower_bound(brief, figure):
    assert figure(brief, "open_interest_usd", "BTC")["completeness"]["text"] == "2 of 2 contracts"
    of_all = figure(brief, "open_interest_usd", "ALL")["completeness"]
    assert (of_all["text"], of_all["is_lower_bound"]) == ("2 of 6 contracts, lower bound", True)
    assert not figure(brief, "open_interest_change_24h_ratio", "ALL")["completeness"]["is_lower_bound"]


def test_worst_hour_of_30_days_sees_all_of_its_hours_and_no_more(published, brief, figure):
    where = figure(brief, "worst_hour_usd_30d", "BTC")["query"].partition(" where ")[2]
    with duckdb.connect(published, read_only=True) as connection:
        first, last = connection.execute(
            f"select min(as_of) - interval 24 hour, max(as_of) from market_hourly where {where}"
        ).fetchone()
    assert last - first == timedelta(hours=720)


def test_points_of_the_split_are_of_what_was_there_at_the_start(brief, figure):
    assert figure(brief, "price_effect_28d_ratio", "BTC")["value"] == pytest.approx(-0.3)


def test_missing_figures_are_null_with_a_reason_and_never_zero(unknown, figure):
    _, brief = unknown
    missing = [figure for figure in brief["figures"] if figure["value"] is None]
    assert all(figure["reason"] for figure in missing)
    assert {"long_usd_24h", "open_interest_usd", "score", "peak_at"} <= {figure["name"] for figure in missing}
    assert figure(brief, "price", "BTC")["value"] is not None
    assert not any(figure["name"] == "price_effect_28d_ratio" for figure in brief["figures"])
    assert "60 d of history where 180 d are needed" in figure(brief, "score", "ALL")["reason"]
    assert "never observed" in figure(brief, "open_interest_change_28d_ratio", "BTC")["reason"]


def test_names_are_escaped_in_queries(hostile, answers):
    assert all(answer == told["value"] for told, answer in answers(*hostile) if "value" in told)


def test_a_part_that_was_never_observed_says_so(tmp_path, made_warehouse, written_at, figure):
    warehouse = made_warehouse(tmp_path)
    with duckdb.connect(warehouse) as connection:
        connection.execute("update market_stress set funding_rank = null, reason = 'missing: never observed: funding'")
    brief = write_brief(warehouse, tmp_path / "latest", written_at=written_at)
    assert figure(brief, "funding_rank", "ALL")["reason"] == "missing: never observed"
