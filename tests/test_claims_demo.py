"""The two articles' claims against the demo's warehouse, and every figure a second time straight from its tape.

Nothing of the second computation reads the warehouse, its models or the metrics' SQL: it is pandas over the files of
the tape. It holds for a tape on which every contract is there in every hour.
"""

from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from orchestration import claims
from orchestration.claims.metrics import METRICS
from orchestration.claims.verdicts import VERDICTS
from orchestration.lake.publish import read_only

pytestmark = pytest.mark.slow

SEED = Path(__file__).parents[1] / "dbt_project" / "seeds" / "claims.csv"
HOUR = pd.Timedelta(hours=1)
SIZES = {"usd": 1, "million_usd": 1e6, "billion_usd": 1e9, "percent": 0.01}
HOLDINGS = pd.read_csv(SEED.with_name("holders.csv"), parse_dates=["known_at"])
FULLY = ("bybit", "gate")  # docs/exchanges.md: each event, and the exchange's own totals
EXPECTED = {
    "01": {"supported"},
    "02": {"supported"},
    "03": {"scope_ambiguous"},
    "04": {"supported"},
    "05": {"inconsistent_pair"},
    "06": {"contradicted"},
    "07-a": {"contradicted"},
    "07-b": {"supported"},
    "08": {"stale"},
    "09": {"stale"},
    "10": {"supported"},
}


@pytest.fixture(scope="module")
def tape(demo_home):
    """By hour: closes of contracts at their bar's end, open interest in coins, liquidations by exchange and side."""
    files = demo_home / "tapes" / "deleveraging-2026-02"
    read = {name: pd.read_parquet(files / f"{name}.parquet") for name in
            ("candles", "open_interest", "liquidations", "liquidation_totals")}  # fmt: skip
    for frame in read.values():
        frame["asset"] = frame["symbol"].str.split("/").str[0]
    bars = read["candles"].assign(hour=read["candles"]["opened_at"] + HOUR)
    events = read["liquidations"].assign(hour=read["liquidations"]["occurred_at"].dt.floor("h"))
    sums = read["liquidation_totals"].rename(
        columns={"period_start_at": "hour", "long_usd": "long", "short_usd": "short"}
    )
    sums = sums.melt(["hour", "exchange", "asset"], ["long", "short"], "position_side", "notional_usd")
    columns = ["hour", "exchange", "asset", "position_side", "notional_usd"]
    return SimpleNamespace(
        closes=bars.pivot(index="hour", columns=["asset", "exchange"], values="close"),
        coins=read["open_interest"].pivot(
            index="observed_at", columns=["asset", "exchange"], values="open_interest_base"
        ),
        flows=pd.concat([events[columns], sums[columns]]),
    )


def of(frame: pd.DataFrame, scope: str) -> pd.DataFrame:
    return frame if scope == "ALL" else frame.xs(scope, axis=1, level="asset", drop_level=False)


def liquidated(tape, scope, hours, at, sides=("long", "short"), exchanges=None) -> float:
    flows = tape.flows
    chosen = (flows["hour"] >= at - hours * HOUR) & (flows["hour"] < at) & flows["position_side"].isin(sides)
    if scope != "ALL":
        chosen &= flows["asset"] == scope
    if exchanges:
        chosen &= flows["exchange"].isin(exchanges)
    return flows["notional_usd"][chosen].sum()


def recomputed(tape, metric, scope, hours, at) -> float:
    """A figure of a metric from the tape, in USD or as a ratio."""
    if metric == "unrealised_loss":
        held = HOLDINGS[HOLDINGS["known_at"] <= at.tz_localize(None)].iloc[-1]
        return held["coins"] * (held["average_cost_usd"] - of(tape.closes, "BTC").loc[at].median())
    closes = of(tape.closes, scope)
    if metric == "price":
        return closes.loc[at].median()
    if metric == "price_change":
        return (closes.loc[at] / closes.loc[at - hours * HOUR] - 1).median()
    if metric == "long_liquidations":
        return liquidated(tape, scope, hours, at, ["long"])
    if metric == "liquidations":
        return liquidated(tape, scope, hours, at)
    worth = of(tape.coins * tape.closes, scope)
    if metric == "open_interest_fall_from_peak":
        return 1 - worth.loc[at].sum() / worth.sum(axis=1).loc[:at].max()
    start = worth.loc[at - hours * HOUR].sum()
    if metric == "open_interest_position_effect":
        coins = of(tape.coins, scope)
        return ((coins.loc[at] - coins.loc[at - hours * HOUR]) * closes.loc[at]).sum() / start
    change = worth.loc[at].sum() - start
    return change if metric == "open_interest_change_usd" else change / start


@pytest.fixture(scope="module")
def checks(demo_home):
    """The claims as they are published."""
    with read_only(demo_home) as warehouse:
        return claims.published(warehouse).set_index("claim", drop=False)


def test_each_of_the_ten_claims_has_the_verdict_that_it_deserves(checks):
    for prefix, verdicts in EXPECTED.items():
        rows = checks[checks["claim"].str.startswith(prefix)]
        assert set(rows["verdict"]) == verdicts, prefix
    assert len(checks) == 31
    assert set(checks["verdict"]) <= set(VERDICTS)


def test_every_figure_is_what_the_tape_alone_gives(tape, checks):
    for row in checks.itertuples():
        scope = "BTC" if row.scope == "unstated" else row.scope
        hours = 0 if row.window in ("now", "all") else pd.Timedelta(row.window) / HOUR
        at = row.as_of.tz_localize("UTC")
        expected = recomputed(tape, row.metric, scope, hours, at) / SIZES[row.unit]
        assert row.figure == pytest.approx(expected, rel=1e-8), row.claim
        assert row.observed_ratio == 1


def test_both_readings_of_a_claim_without_a_scope_are_told(tape, checks):
    for row in checks[checks["verdict"] == "scope_ambiguous"].itertuples():
        of_all = liquidated(tape, "ALL", pd.Timedelta(row.window) / HOUR, row.as_of.tz_localize("UTC")) / 1e9
        assert f"ALL, contradicted: ours at least {of_all:.4f}".rstrip("0") in row.reason


def test_the_pair_implies_six_times_what_there_was(tape, checks):
    row = checks.loc["05-b-open-interest-usd"]
    start = (tape.coins * tape.closes).loc[row["as_of"].tz_localize("UTC") - 24 * HOUR].sum() / 1e9
    assert "a start of 573.03 billion USD to 609.2 billion USD" in row["reason"]
    assert f"there were {start:.3f} billion USD" in row["reason"]


def test_the_upper_bound_is_three_times_the_fully_reporting_ones_scaled(tape, checks):
    row = checks.loc["06-a-liquidated"]
    at = row["as_of"].tz_localize("UTC")
    fully = liquidated(tape, "ALL", 24, at, exchanges=FULLY) / 1e9
    worth = (tape.coins * tape.closes).loc[at - 23 * HOUR : at]
    share = worth.loc[:, (slice(None), list(FULLY))].sum().sum() / worth.sum().sum()
    assert f"had {fully:.4f} billion USD on {100 * share:.0f} %" in row["reason"]
    most = float(row["reason"].partition("that is ")[2].split()[0])
    assert most == pytest.approx(3 * fully / share, rel=1e-3)


def test_a_stale_claim_names_every_hour_at_which_it_was_true(tape, checks):
    for row in checks[checks["verdict"] == "stale"].itertuples():
        at = row.as_of.tz_localize("UTC")
        hours = tape.closes.loc[at - 30 * 24 * HOUR : at - HOUR].index
        figures = (
            pd.Series({hour: recomputed(tape, row.metric, row.scope, 0, hour) for hour in hours}) / SIZES[row.unit]
        )
        low, high = {
            "holds": (row.value, float("inf")),
            "exceeds": (row.value, 1.25 * row.value),
            "equals": (row.value - row.tolerance, row.value + row.tolerance),
        }[row.relation]
        true = figures.between(low, high)
        assert true.any()
        assert row.implied_as_of == true[true].index[-1].tz_localize(None)
        starts = true[true & ~true.shift(fill_value=False)].index
        assert [f"{hour:%Y-%m-%d %H:%M} to" in row.reason for hour in starts] == [True] * len(starts)
        assert row.reason.count(" to 2026-") == len(starts)


def test_the_holders_claim_and_the_first_support_imply_the_same_day(checks):
    implied = checks.loc[["08-a-strategy", "08-b-strategy", "09-a-75000", "09-b-75000"], "implied_as_of"]
    assert set(implied.dt.strftime("%Y-%m-%d")) == {"2026-02-02"}
    exceeding = checks.loc["08-a-strategy"]
    assert "it was so from 2026-02-02 14:00 to" in exceeding["reason"]
    assert exceeding["implied_as_of"] == pd.Timestamp("2026-02-02 23:00")


def test_every_metric_can_be_asked_of_every_window(demo_home, tmp_path):
    """Of a warehouse that has its table: those of others say so."""
    lines = [
        f"{name}-{window},{name},{window},{unit},equals,1,2026-02-12,{'Strategy' if not metric.source.readings else ''}"
        for name, metric in METRICS.items()
        for window in metric.windows
        for unit in [{"ratio": "percent"}.get(metric.unit, metric.unit)]
    ]
    (tmp_path / "all.csv").write_text("\n".join(["claim,metric,window,unit,relation,value,as_of,scope", *lines, ""]))
    with read_only(demo_home) as warehouse:
        checks = claims.check(warehouse, claims.read(tmp_path / "all.csv"))
    unknown = checks["reason"][checks["figure"].isna()]
    assert unknown.str.contains("the warehouse has no table").all()
    assert len(checks) - len(unknown) >= 20
