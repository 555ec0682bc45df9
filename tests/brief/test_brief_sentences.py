"""Headline and warnings: what is said of figures and coverage."""

from orchestration.brief import headline
from orchestration.brief.sentences import warnings


def test_headline_is_short_and_names_the_figures(brief):
    lines = dict(headline(brief))
    assert 8 <= len(lines) <= 10
    assert lines["as of"] == "2026-02-12 00:00 UTC, 12 min before the brief was written"
    assert lines["BTC longs liquidated, 24 h"].replace("\u202f", " ") == "355.5 M USD (observed 96 %, lower bound)"
    assert lines["ALL stress score"].replace("\u202f", " ") == (
        "80.00 of 100, stress (history 60 d, warm-up 180 d, 2 separate windows of its slowest measure)"
    )


def test_no_regime_is_said_across_a_threshold(brief):
    apart = {"score_high": 91.0, "regime": None, "regime_high": "cascade"}
    figures = [row | {"value": apart.get(row["name"], row["value"])} for row in brief["figures"]]
    line = dict(headline(brief | {"figures": figures}))["ALL stress score"]
    assert line.startswith("80.00 of 100, stress to cascade, within 80.00 to 91.00 (history")


def test_headline_without_a_score_tells_its_bounds(unknown):
    assert dict(headline(unknown[1]))["ALL stress score"].startswith("no data (between 0.00 and 100.00")


def test_a_score_that_is_open_is_told_by_its_bounds_and_regimes(brief):
    apart = {"score": None, "score_low": 62.0, "score_high": 82.0, "regime": None, "regime_low": "elevated"}
    rows = [row | {"value": apart.get(row["name"], row["value"])} for row in brief["figures"]]
    rows = [row | {"reason": "20 of 100 points are open"} if row["name"] == "score" else row for row in rows]
    open_brief = brief | {"figures": rows}
    line = dict(headline(open_brief))["ALL stress score"]
    assert line.startswith("no data (between 62.00 and 82.00, elevated to stress; history")
    says = "There is no stress score, it lies between 62.00 and 82.00: 20 of 100 points are open."
    assert says in warnings(open_brief)


def test_warnings_name_what_is_sampled_and_what_is_missing(brief):
    assert any("sampled" in warning for warning in brief["warnings"])
    assert any("binance" in warning and "missing from every sum" in warning for warning in brief["warnings"])


def test_warnings_without_any_liquidation(unknown):
    assert any(warning.startswith("No liquidations were observed") for warning in unknown[1]["warnings"])
