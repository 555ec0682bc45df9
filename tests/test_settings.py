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


@pytest.mark.parametrize("text", ["2008-12-31T23:59:59Z", "2101-01-01", "0001-01-01", "9999-12-31"])
def test_clock_outside_2009_to_2100_is_refused(monkeypatch, text):
    monkeypatch.setenv("MARKET_STRESS_NOW", text)
    with pytest.raises(ValueError, match=f"MARKET_STRESS_NOW: '{text}' lies outside the years 2009 to 2100"):
        Settings.from_environment()


@pytest.mark.parametrize("text", ["2009-01-01", "2100-12-31T23:59:59Z"])
def test_clock_at_its_bounds_is_taken(monkeypatch, text):
    monkeypatch.setenv("MARKET_STRESS_NOW", text)
    assert Settings.from_environment().now() == parse_moment("", text)


def test_moment_that_utc_cannot_hold_is_no_moment():
    with pytest.raises(ValueError, match="is no date or time"):
        parse_moment("--now", "9999-12-31T23:00:00-05:00")


@pytest.mark.parametrize("name", ["a?b", "a#b", "a\\b", "a\nb", "a\x1bb"])
def test_home_that_no_database_can_lie_in_is_refused(monkeypatch, tmp_path, name):
    monkeypatch.setenv("MARKET_STRESS_HOME", str(tmp_path / name))
    with pytest.raises(ValueError, match=r"MARKET_STRESS_HOME: .* name a folder without"):
        Settings.from_environment()
