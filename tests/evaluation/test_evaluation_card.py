"""The card: what stands first, what is never said of few events, hashes, and that nothing foreign runs."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd
import pytest
from falls import WARM_UP_DAYS, market

from orchestration.evaluation import card, panel, sentences
from orchestration.evaluation.page import page

WRITTEN_AT = datetime(2026, 2, 12, tzinfo=UTC)
OF_MANY = re.compile(
    r"auroc|auprc|average_precision|interval|precision|recall|ablation|usefulness|per_year|annual|ranking|best|confidence"
)
CANNOT = "this can't show whether the score beats volatility alone."


def made(facts, warm_up_days: int = WARM_UP_DAYS) -> dict:
    its = card.contents(facts, warm_up_days, WRITTEN_AT, lambda step: None)
    return {"title": "Evaluation card", "mark": sentences.mark(its), "opening": sentences.opening(its)} | its


def keys(value) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {name for its in value.values() for name in keys(its)}
    return {name for its in value for name in keys(its)} if isinstance(value, list) else set()


@pytest.fixture(scope="module")
def few():
    return made(market(3))


@pytest.fixture(scope="module")
def many():
    return made(market(12))


@pytest.fixture(scope="module")
def foreseen():
    return made(market(12, foreseen=True))


@pytest.fixture(scope="module")
def simulated():
    return made(market(12, origin="simulated:<b>tape</b>"))


@pytest.fixture(scope="module")
def simulated_page(simulated):
    return page(simulated)


def scope(its: dict, asset: str = "BTC") -> dict:
    return next(row for row in its["scopes"] if row["asset"] == asset)


def test_it_opens_with_what_it_cannot_show(few, simulated):
    assert few["opening"][0] == f"Three real events on one exchange (gate), 2025-02-20 to 2025-03-05: {CANNOT}"
    tape = "a simulation we wrote (<b>tape</b>)"
    assert simulated["opening"][0] == f"No real event, and {tape} with 12 events of its own making: {CANNOT}"
    assert made(market(1))["opening"][0].startswith("One real event on one exchange (gate), 2025-02-20")


def test_every_fall_is_found_where_it_was_made(few):
    """A third of 15 % is lost in the hour that ends at midnight; with the second it is more than 7 %."""
    its = scope(few)["events"]
    hours = ["2025-02-20T01:00:00Z", "2025-02-26T01:00:00Z", "2025-03-04T01:00:00Z"]
    assert [event["began_at"] for event in its] == hours
    assert all(-0.17 < event["drawdown_ratio"] < -0.13 and event["is_real"] and event["is_scored"] for event in its)
    hours = its[0]["hours"]
    assert [hours[0]["hours_from_start"], hours[24]["hours_from_start"]] == [-24, 0]
    assert {"score", "score_low", "score_high", "volatility_rank", "volatility", "return", "reported_liquidations",
            "without_overlap", "fear_and_greed"} <= hours[0].keys()  # fmt: skip


def test_nothing_of_many_events_is_said_of_few(few, simulated, simulated_page):
    for its, shown in ((few, page(few)), (simulated, simulated_page)):
        told = {name for name in keys(its) if OF_MANY.search(name)}
        assert told == set()
        assert all(row["from_ten_real_events"] is None for row in its["scopes"])
        assert not OF_MANY.search(shown.split("<main>")[1].split('id="data"')[0].lower())


def test_simulated_events_are_never_counted_as_real(simulated):
    assert simulated["counts"]["real_events"] == 0
    assert simulated["counts"]["simulated_events"] == 12
    assert all(not row["is_real"] for its in simulated["scopes"] for row in [*its["events"], *its["alarms"]])


def test_of_a_home_in_part_simulated_only_the_other_falls_are_real():
    facts = market(12)
    simulated = facts.origins.assign(
        origin="simulated:tape", last_at=facts.origins["first_at"] + (53 * 24) * pd.Timedelta(hours=1)
    )
    live = facts.origins.assign(first_at=simulated["last_at"])
    its = made(replace(facts, origins=pd.concat([simulated, live], ignore_index=True)))
    assert [event["is_real"] for event in scope(its)["events"]] == [False] + [True] * 11
    assert its["counts"]["real_events"] == 11
    assert its["mark"] == "SIMULATED IN PART"
    assert {row["is_real"] for row in scope(its)["alarms"]} == {True, False}
    first = scope(its)["from_ten_real_events"][1]["lines"][0]
    assert first["positive_hours"] == 11 * 24  # of the 24 hours before each real fall


def test_if_a_baseline_wins_that_is_said_first(many):
    """Whatever but prices is noise, so volatility alone tells the day of a fall better than the score of six parts."""
    assert many["opening"][0].startswith("Volatility alone beats the score: BTC, the same 24 h (AUROC 0.9")
    assert "12 real events on one exchange" in many["opening"][2] + many["opening"][3]
    assert CANNOT not in " ".join(many["opening"])
    its = page(many)
    assert its.index("Volatility alone beats the score") < its.index("real events on one exchange") < its.index("<h1>")


def test_a_score_that_foresees_beats_volatility_where_it_was_made_to(foreseen):
    """Liquidations, positions and funding are high in the 24 hours before each fall; volatility knows nothing then."""
    rows = {row["line"]: row for row in scope(foreseen)["from_ten_real_events"][1]["lines"]}
    assert rows["score"]["auroc"] > 0.8 > 0.5 > rows["volatility"]["auroc"]
    assert rows["without_overlap"]["auroc"] > 0.95
    assert rows["volatility"]["auroc_difference_interval"][1] < 0
    assert rows["score"]["auroc_interval"][0] < rows["score"]["auroc"] < rows["score"]["auroc_interval"][1]
    assert "Volatility alone beats the score: BTC, the next 24 h" not in " ".join(foreseen["opening"])


def test_label_without_overlap_and_ablation_stand_where_they_belong(many):
    by_lead = {its["lead_hours"]: its for its in scope(many)["from_ten_real_events"]}
    for lead, its in by_lead.items():
        assert ("without_overlap" in [row["line"] for row in its["lines"]]) is (lead <= 0)
        assert [row["line"] for row in its["ablation"]][1:] == [f"without {part}" for part in card.lines.PARTS]
        assert [row["cut_off"] for row in its["cut_offs"]] == [60, 75, 90]
        assert its["left_out_baselines"] == ["fear_and_greed"]


def test_wins_count_only_beyond_chance_and_say_so_where_they_may_be():
    def row(line: str, auroc: float, difference: float, low: float) -> dict:
        return {
            "line": line, "positive_hours": 1, "negative_hours": 9, "auroc": auroc, "average_precision": 0.2,
            "auroc_difference": difference, "auroc_difference_interval": [low, 0.2], "average_precision_difference": 0,
            "average_precision_difference_interval": [0, 0],
        }  # fmt: skip

    def said(*rows: dict) -> list[str]:
        return sentences.wins(
            {"scopes": [{"asset": "BTC", "from_ten_real_events": [{"lead_hours": 0, "lines": list(rows)}]}]}
        )

    assert said(row("score", 0.4, 0, 0), row("volatility", 0.45, 0.05, 0.01)) == []
    (sure,) = said(row("score", 0.7, 0, 0), row("volatility", 0.8, 0.1, 0.01))
    assert sure == "volatility alone beats the score: BTC, the next 24 h (AUROC 0.80 against 0.70)."
    (maybe,) = said(row("score", 0.7, 0, 0), row("volatility", 0.8, 0.1, -0.01))
    assert "0.70, which may be chance)" in maybe


def test_data_hash_changes_with_a_figure_and_with_nothing_else():
    facts = market(1)
    frozen = panel.frozen(facts)
    shuffled = replace(facts, instruments=facts.instruments.sample(frac=1, random_state=1))
    assert card.data_hash(shuffled, panel.frozen(shuffled)) == card.data_hash(facts, frozen)
    bars, instruments = facts.bars.copy(), facts.instruments.copy()
    bars.loc[100, "low"] *= 1 - 1e-9
    instruments.loc[5, "long_usd"] += 1
    changed = [
        replace(facts, bars=bars),
        replace(facts, instruments=instruments),
        replace(facts, revisions=[{**facts.revisions[0], "revised": 3}]),
        replace(facts, origins=facts.origins.assign(origin="simulated:tape")),
    ]
    assert len({card.data_hash(its, panel.frozen(its)) for its in [facts, *changed]}) == 5


def test_method_hash_changes_with_a_parameter_and_with_the_code(tmp_path, monkeypatch):
    now = card.method_hash(180)
    assert card.method_hash(180) == now != card.method_hash(90)
    monkeypatch.setitem(card.PARAMETERS, "cut_offs", [50, 70, 85])
    assert card.method_hash(180) != now
    monkeypatch.undo()
    for file in card.Path(card.__file__).parent.glob("*.py"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(card, "__file__", str(tmp_path / "card.py"))
    assert card.method_hash(180) == now
    for name, is_method in (("page.py", False), ("events.py", True)):
        (tmp_path / name).write_text((tmp_path / name).read_text() + "\n# another line\n")
        assert (card.method_hash(180) != now) is is_method


def test_what_is_foreign_is_shown_and_never_read(simulated_page):
    shown = simulated_page
    assert "<b>tape</b>" not in shown
    assert "simulated:&lt;b&gt;tape&lt;/b&gt;" in shown
    assert "<script" not in shown
    assert "default-src 'none'" in shown
    hostile = made(market(1, assets=("BTC", "<i>X</i>"), exchanges=("gate",)))
    assert "<i>X" not in page(hostile)


def test_marks_say_what_is_not_live(few, simulated, simulated_page):
    assert (few["mark"], simulated["mark"]) == ("", "SIMULATED")
    assert "no figure that rests on it is a fact" in simulated_page


def test_it_says_how_many_rows_count_as_first_known(few):
    (line,) = sentences.revisions(few)
    assert line.startswith(
        "candles: 10 rows, 2 revised (1 count with their first revision, of 1 it is no longer there), 3"
    )
    assert line in page(few)


def test_sensitivity_holds_every_kind_and_no_variant_is_the_score(few):
    rows = scope(few)["sensitivity"]
    assert {row["kind"] for row in rows} == {"weights", "warm_up", "exchange", "thinning"}
    weights = [row for row in rows if row["kind"] == "weights"]
    assert len(weights) == 12
    assert all(row["largest_change"] > 0 for row in weights)
    assert next(row for row in rows if row["variant"] == "without gate")["note"] is not None


def test_a_feed_thinned_for_a_while_moves_the_score_there():
    """Every other hour's longs are a quarter of what they were, in the last ten days."""
    facts = market(1)
    names = facts.instruments["instrument"].unique()
    hours = sorted(facts.instruments["as_of"].unique())[-240::2]
    kept = pd.DataFrame({"as_of": hours * len(names), "instrument": sorted([*names] * len(hours)), "kept_ratio": 0.25})
    (row,) = (its for its in scope(made(replace(facts, kept=kept)))["sensitivity"] if its["kind"] == "thinning")
    assert row["note"].endswith("of its longs in USD remain")
    assert 0 < row["largest_change"] <= 20
    assert row["hours"] > 0


def test_a_home_without_a_score_has_a_card_that_says_so():
    its = made(market(1), warm_up_days=365)
    assert its["counts"]["scored_hours"] == 0
    assert "No hour has a score of ALL" in its["opening"][1]
    assert its["counts"]["real_events_before_the_score"] == 1
    assert "no score in these hours" in page(its)


def test_json_holds_no_nan(few, many):
    for its in (few, many):
        json.dumps(its, allow_nan=False)
