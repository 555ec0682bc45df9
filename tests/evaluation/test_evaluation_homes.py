"""The card of whole homes: the demo's, and that of a real crash."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
import pytest

from orchestration.evaluation import facts, panel, write_card
from orchestration.score.parts import PRICE_MEASURES

COMMAND = Path(sys.executable).with_name("market-stress")
CANNOT = "this can't show whether the score beats volatility alone."


@pytest.fixture(scope="module")
def demo(demo_home, tmp_path_factory):
    """What `market-stress evaluate FOLDER` printed, and the folder."""
    folder = tmp_path_factory.mktemp("card")
    environment = {**os.environ, "MARKET_STRESS_HOME": str(demo_home), "MARKET_STRESS_NOW": "2026-02-12T00:00:00Z"}
    words = [COMMAND, "evaluate", str(folder)]
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False), folder


@pytest.mark.slow
def test_the_demo_s_card_is_of_no_real_event(demo):
    ended, folder = demo
    assert ended.returncode == 0, ended.stderr
    tape = "a simulation we wrote (deleveraging-2026-02)"
    assert ended.stdout.startswith(f"No real event, and {tape} with four events of its own making: {CANNOT}\n")
    assert f"card {folder / 'card.html'}" in ended.stdout.splitlines()
    told = json.loads((folder / "card.json").read_text())
    assert told["mark"] == "SIMULATED"
    assert told["opening"][0] in (folder / "card.html").read_text().replace("&#39;", "'")
    assert {its["asset"]: len(its["events"]) for its in told["scopes"]} == {"BTC": 8, "ALL": 4}
    assert told["published"]["largest_difference"] == 0
    notes = {row["variant"].partition(":")[0]: row["note"] for row in told["scopes"][0]["sensitivity"]
             if row["kind"] == "thinning"}  # fmt: skip
    assert "shares a second" in notes["bybit"]  # the tape has no two events of a second
    assert "no complete single events" in notes["gate"]


@pytest.mark.slow
def test_measures_of_prices_taken_anew_are_those_of_the_warehouse(demo_home):
    """Every exchange of the demo is observed throughout, so the frozen panel is everybody."""
    of_prices = panel.frozen(facts.read(demo_home)).of_prices.set_index(["as_of", "asset"])
    with duckdb.connect(demo_home / "build.duckdb", read_only=True) as build:
        built = build.execute("from stress_measures_hourly").df().set_index(["as_of", "asset"]).reindex(of_prices.index)
    for measure in (*PRICE_MEASURES, "open_interest_share"):
        ours, theirs = (frame[measure].to_numpy(dtype="float64") for frame in (of_prices, built))
        assert (np.isnan(ours) == np.isnan(theirs)).all()
        assert np.nanmax(np.abs(ours - theirs)) < 1e-12


@pytest.mark.slow
def test_a_file_in_the_folder_s_place_is_refused(demo_home, tmp_path):
    (tmp_path / "card").write_text("mine")
    with pytest.raises(ValueError, match="is no folder"):
        write_card(demo_home, tmp_path / "card", warm_up_days=180, written_at=datetime(2026, 2, 12, tzinfo=UTC))
    assert (tmp_path / "card").read_text() == "mine"


@pytest.mark.thorough
def test_the_crash_of_august_2024(crash_home, tmp_path):
    """BTC's low of 2024-08-05 lies 19.9 % below its day's high; two days before it had fallen by 7.3 %."""
    written_at = datetime(2024, 8, 19, 21, tzinfo=UTC)
    made = write_card(crash_home, tmp_path, warm_up_days=14, written_at=written_at)
    where = "one exchange (gate, replayed from crash-2024-08), 2024-08-03 to 2024-08-06"
    assert made["opening"][0] == f"Two real events on {where}: {CANNOT}"
    assert "can't exceed 90" in " ".join(made["opening"])
    of_btc = made["scopes"][0]
    scored = {event["began_at"][:10]: event for event in of_btc["events"] if event["is_scored"]}
    assert list(scored) == ["2024-08-03", "2024-08-05"]
    assert round(scored["2024-08-05"]["drawdown_ratio"], 3) == -0.199
    assert scored["2024-08-05"]["trough_at"] == "2024-08-05T07:00:00Z"
    peak = max(scored["2024-08-05"]["hours"], key=lambda row: row["score_high"])
    assert peak["as_of"].startswith("2024-08-05")
    assert peak["score_high"] > 95
    assert [(row["alarms"], row["false_alarms"], row["missed_events"]) for row in of_btc["alarms"]
            if row["line"] == "score"] == [(5, 3, 0), (1, 0, 1), (0, 0, 2)]  # fmt: skip
    again = write_card(crash_home, tmp_path, warm_up_days=14, written_at=written_at)
    assert again == made
    assert (
        write_card(crash_home, tmp_path, warm_up_days=21, written_at=written_at)["method_hash"] != made["method_hash"]
    )
    assert not np.isnan(made["scopes"][1]["events"][-1]["peaks"]["score"])
