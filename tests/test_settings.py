"""The environment, read in one place."""

from datetime import UTC, datetime

import pytest

from orchestration.settings import Settings, parse_moment


@pytest.mark.parametrize("text", ["2026-02-12", "2026-02-12T00:00:00Z", "2026-02-12T01:00:00+01:00"])
def test_moments_are_utc_with_or_without_an_offset(text):
    assert parse_moment("--now", text) == datetime(2026, 2, 12, tzinfo=UTC)


def test_bad_moment_names_the_variable_and_the_way_out():
    with pytest.raises(ValueError, match="MARKET_STRESS_NOW: 'noon' is no date or time such as 2026-02-12"):
        parse_moment("MARKET_STRESS_NOW", "noon")


def test_home_is_absolute_and_defaults_to_data(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MARKET_STRESS_HOME", raising=False)
    assert Settings.from_environment().home == tmp_path / "data"
    monkeypatch.setenv("MARKET_STRESS_HOME", "elsewhere")
    assert Settings.from_environment().home == tmp_path / "elsewhere"


def test_clock_runs_unless_it_is_stopped(monkeypatch):
    monkeypatch.delenv("MARKET_STRESS_NOW", raising=False)
    assert (datetime.now(UTC) - Settings.from_environment().now()).total_seconds() < 5
    monkeypatch.setenv("MARKET_STRESS_NOW", "2026-02-12T00:00:00Z")
    assert Settings.from_environment().now() == datetime(2026, 2, 12, tzinfo=UTC)
