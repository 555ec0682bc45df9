"""The suites at the gate: false figures close it, missing ones don't, and the verdict says what was seen."""

import json
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from orchestration import expectations
from orchestration.expectations import SUITES, evaluate

DAYS = pd.date_range("2026-01-01", periods=40, freq="D", unit="us")
HOURS = pd.date_range(DAYS[0], DAYS[-1] + pd.Timedelta(days=1), freq="h", unit="us", inclusive="right")
PRICES = {"BTC": 70_000.0, "ETH": 2_000.0}
EXCHANGES = ["binance", "bybit", "gate"]


def table(**keys) -> pd.DataFrame:
    return pd.MultiIndex.from_product(keys.values(), names=keys.keys()).to_frame(index=False)


def good_frames() -> dict[str, pd.DataFrame]:
    """A calm market of two assets on three exchanges in which every figure is right."""
    up = np.tile([1, -1], len(DAYS) // 2)  # the price rises and falls by 4 % in turn
    spans = {"24h": 1.0, "7d": 7.0, "30d": 30.0}
    hourly = table(as_of=HOURS, asset=["ALL", *PRICES]).assign(
        price=lambda rows: rows["asset"].map(PRICES),
        return_24h_ratio=0.01, return_7d_ratio=-0.02, worst_hour_usd_24h=5e5, open_interest_usd=1e9,
        **{f"{side}_usd_{span}": 1e6 * days for side in ("long", "short") for span, days in spans.items()},
        **{f"observed_ratio_{span}": 1.0 for span in spans},
        **{f"open_interest_change_{span}_ratio": -0.04 for span in (*spans, "28d")},
    )  # fmt: skip
    measures = table(as_of=HOURS, asset=["ALL", *PRICES]).assign(
        downside_24h_ratio=-0.01, downside_28d_ratio=0.2, volatility_24h=0.03,
        open_interest_share=lambda rows: rows["asset"].map({"BTC": 0.7, "ETH": 0.3}),
    )  # fmt: skip
    instruments = table(as_of=HOURS, instrument=[f"{exchange}:{asset}" for exchange in EXCHANGES for asset in PRICES])
    instruments = instruments.assign(
        long_usd=1e4, completeness="complete", open_interest_usd=1e8, open_interest_24h_ago_usd=1.1e8,
        closed_24h_usd=5e6, closed_28d_usd=-1e7, start_28d_usd=9e7, funding_rate_annualised=0.1,
    )  # fmt: skip
    daily = table(period_start_date=DAYS, asset=["ALL", *PRICES]).assign(
        price_open=lambda rows: rows["asset"].map(PRICES),
        return_ratio=np.repeat(0.04 * up, 3),
        price_close=lambda rows: rows["price_open"] * (1 + rows["return_ratio"]),
        long_usd=1e6, short_usd=1e6, total_usd=2e6, open_interest_usd=1e9,
        open_interest_base=lambda rows: 1e9 / rows["price_close"],
        realised_volatility=0.03, funding_rate_annualised=0.1, observed_ratio=1.0, is_complete=True,
    )  # fmt: skip
    by_exchange = table(period_start_date=DAYS, exchange=EXCHANGES, asset=list(PRICES))
    liquidations = by_exchange.assign(
        long_usd=np.repeat(np.where(up > 0, 1e5, 9e5), 6), short_usd=np.repeat(np.where(up > 0, 9e5, 1e5), 6),
        total_usd=1e6, largest_usd=1e4, worst_hour_usd=1e5, completeness="complete", observed_ratio=1.0,
    )  # fmt: skip
    open_interest = by_exchange.assign(
        open_usd=3e8, high_usd=4e8, low_usd=2e8, close_usd=3.5e8, position_effect_usd=1e7, observed_ratio=1.0,
        close_base=lambda rows: (1_000 / rows["asset"].map(PRICES)).map(Decimal) * 350_000,
    )  # fmt: skip
    context = table(date=[*DAYS, DAYS[-1] + pd.Timedelta(days=1)], series=["holder:Strategy", "vix"]).assign(
        value=lambda rows: rows["series"].map({"vix": 20.0, "holder:Strategy": -6e9}),
        observed_date=lambda rows: rows["date"].where(rows["series"] == "vix", DAYS[0] - pd.Timedelta(days=30)),
    )
    return {
        "context_daily": context, "stress_measures_hourly": measures, "int_stress_instruments_hourly": instruments,
        "market_hourly": hourly, "market_daily": daily,
        "liquidations_daily": liquidations, "open_interest_daily": open_interest,
    }  # fmt: skip


def told(verdict) -> list[tuple]:
    return [(failure["table"], failure["expectation"], failure["severity"]) for failure in verdict.failures]


@pytest.mark.parametrize("name", SUITES)
def test_suite_speaks_of_columns_that_it_reads_or_derives(name):
    frames = good_frames()
    assert set(SUITES[name].reads) <= set(frames[name].columns)
    read = expectations._typed(frames[name][list(SUITES[name].reads)])
    known = set(expectations._derive(name, read, frames).columns)
    for line in SUITES[name].expectations:
        columns = {line.arguments.get(key) for key in ("column", "column_A", "column_B")} - {None}
        assert columns | set(line.arguments.get("column_list", [])) <= known


@pytest.mark.parametrize("name", SUITES)
def test_every_expectation_has_its_own_sentence(name):
    sentences = [line.says for line in SUITES[name].expectations]
    assert len(set(sentences)) == len(sentences)


@pytest.mark.parametrize("name", SUITES)
def test_what_is_missing_is_at_most_a_warning(name):
    for line in SUITES[name].expectations:
        assert line.kind != "ExpectColumnValuesToNotBeNull" or line.severity == "warning"


def test_sides_taken_for_each_other_are_seen():
    frames = good_frames()
    swapped = frames["liquidations_daily"]["exchange"] == "bybit"
    sides = frames["liquidations_daily"].loc[swapped, ["short_usd", "long_usd"]].to_numpy()
    frames["liquidations_daily"].loc[swapped, ["long_usd", "short_usd"]] = sides
    judged = expectations._derive("liquidations_daily", frames["liquidations_daily"], frames)
    assert judged.groupby("exchange")["side_agreement"].unique().map(list).to_dict() == {
        "binance": [1], "bybit": [0], "gate": [1],
    }  # fmt: skip


FALSE_FIGURES = [
    ("stress_measures_hourly", "open_interest_share", 1.2, "open_interest_share is at least 0 and at most 1"),
    ("market_hourly", "price", 0.0, "price is above 0"),
    ("market_hourly", "long_usd_7d", 9e5, "long_usd_7d is not below long_usd_24h"),
    ("market_hourly", "worst_hour_usd_24h", 3e6, "the worst hour of 24 h isn't worse than the 24 h"),
    ("market_daily", "open_interest_base", 1.0, "open interest in USD is coins times the price"),
    ("liquidations_daily", "completeness", "whole", "completeness is one of complete, totals, sampled, missing"),
    ("liquidations_daily", "largest_usd", 2e5, "worst_hour_usd is not below largest_usd"),
    (
        "context_daily",
        "observed_date",
        DAYS[0] - 30 * (DAYS[1] - DAYS[0]),
        "what is asked for is carried at most nine days",
    ),
    ("open_interest_daily", "close_base", Decimal(1), "USD over coins is a price as on other exchanges"),
]


@pytest.mark.slow
class TestVerdict:
    """Great Expectations itself; importing it takes several seconds."""

    def test_good_tables_pass_and_leave_pages(self, tmp_path):
        (tmp_path / "data_docs").mkdir()
        (tmp_path / "data_docs" / "old.html").touch()
        verdict = evaluate(good_frames(), tmp_path / "data_docs")
        assert verdict.passed
        assert verdict.failures == []
        assert verdict.evidence["market_daily"] == {
            "rows": 120, "expectations": len(SUITES["market_daily"].expectations), "failed": 0,
        }  # fmt: skip
        assert "market_daily" in (verdict.data_docs / "index.html").read_text()
        assert len(list(verdict.data_docs.glob("validations/*/gate/*/*.html"))) == len(SUITES)
        assert [path.name for path in tmp_path.iterdir()] == ["data_docs"]
        assert not (verdict.data_docs / "old.html").exists()

    def test_false_figures_close_the_gate_and_are_shown(self, tmp_path):
        frames = good_frames()
        for name, column, value, _ in FALSE_FIGURES:
            frames[name].loc[frames[name].index[-1], column] = value
        verdict = evaluate(frames, tmp_path / "docs")
        assert not verdict.passed
        for name, _, _, sentence in FALSE_FIGURES:
            assert (name, sentence, "error") in told(verdict)
            seen = next(failure["observed"] for failure in verdict.failures if failure["expectation"] == sentence)
            assert seen.startswith(f"1 of {len(frames[name]):,} rows, such as ")
        assert json.loads(json.dumps([verdict.failures, verdict.evidence])) == [verdict.failures, verdict.evidence]
        assert (verdict.data_docs / "index.html").exists()

    def test_missing_figures_leave_the_gate_open(self, tmp_path):
        frames = good_frames()
        frames["market_daily"][["total_usd", "open_interest_usd", "funding_rate_annualised"]] = np.nan
        frames["stress_measures_hourly"]["volatility_24h"] = np.nan
        frames["open_interest_daily"]["close_base"] = None
        verdict = evaluate(frames, tmp_path / "docs")
        assert verdict.passed
        assert ("market_daily", "total_usd is known in 80% of the rows", "warning") in told(verdict)
        assert "120 of 120 rows are missing" in [failure["observed"] for failure in verdict.failures]

    def test_repeated_and_late_rows_close_the_gate(self, tmp_path):
        frames = good_frames()
        frames["market_daily"] = pd.concat([frames["market_daily"], frames["market_daily"].tail(1)])
        frames["liquidations_daily"] = frames["liquidations_daily"].query("period_start_date < '2026-02-09'")
        verdict = evaluate(frames, tmp_path / "docs")
        assert not verdict.passed
        assert told(verdict) == [
            ("market_daily", "period_start_date and asset occur once", "error"),
            ("liquidations_daily", "its latest row is as late as the latest hour of market_hourly", "error"),
        ]

    def test_a_table_without_rows_is_not_judged_and_one_without_a_column_is_refused(self, tmp_path):
        frames = {name: frame.iloc[:0] for name, frame in good_frames().items()}
        frames["market_daily"] = frames["market_daily"].drop(columns="total_usd")
        verdict = evaluate(frames, tmp_path / "docs")
        assert not verdict.passed
        assert told(verdict) == [("market_daily", "has all columns", "error")]
        assert verdict.failures[0]["observed"] == "lacks total_usd"
        assert (verdict.data_docs / "index.html").exists()
