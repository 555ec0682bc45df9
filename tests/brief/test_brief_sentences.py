"""Headline and warnings: what is said of figures and coverage."""

import pytest

from orchestration.brief import headline, write_brief
from orchestration.brief.sentences import summary


@pytest.fixture(scope="module")
def open_regime(tmp_path_factory, made_warehouse, written_at):
    """A brief whose score is known between bounds that lie in two regimes."""
    folder = tmp_path_factory.mktemp("open_regime")
    return write_brief(made_warehouse(folder, open="12", regime="null"), folder / "latest", written_at=written_at)


def test_headline_is_short_and_names_the_figures(brief):
    lines = dict(headline(brief))
    assert 8 <= len(lines) <= 10
    assert lines["as of"] == "2026-02-12 00:00 UTC, 12 min before the brief was written"
    assert lines["BTC longs liquidated, 24 h"].replace("\u202f", " ") == "355.5 M USD (observed 96 %, lower bound)"
    assert lines["ALL stress score"].replace("\u202f", " ") == (
        "80.00 of 100, stress (history 60 d, warm-up 180 d, 2 independent windows)"
    )


def test_headline_without_a_score_tells_its_bounds(unknown):
    assert dict(headline(unknown[1]))["ALL stress score"].startswith("no data (between 0.00 and 100.00")


def test_a_regime_that_is_open_is_told_by_its_bounds(open_regime):
    line = dict(headline(open_regime))["ALL stress score"]
    assert line.startswith("80.00 of 100, between stress and cascade, within 80.00 to 92.00")
    assert "80.00 of 100: between stress and cascade." in summary(open_regime)


def test_a_score_that_is_open_warns_with_its_bounds_and_regimes(tmp_path, made_warehouse, written_at):
    warehouse = made_warehouse(tmp_path, score="null", regime="null")
    brief = write_brief(warehouse, tmp_path / "latest", written_at=written_at)
    assert any(
        warning.startswith("There is no stress score, it lies between 0.00 and 100.00 (between stress and cascade): ")
        for warning in brief["warnings"]
    )


def test_warnings_name_what_is_sampled_and_what_is_missing(brief):
    assert any("sampled" in warning for warning in brief["warnings"])
    assert any("binance" in warning and "missing from every sum" in warning for warning in brief["warnings"])


def test_warnings_without_any_liquidation(unknown):
    assert any(warning.startswith("No liquidations were observed") for warning in unknown[1]["warnings"])
