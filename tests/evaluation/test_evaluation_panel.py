"""The frozen panel: who is a member, and what is left of it without an exchange or with a thinned feed."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from falls import WARM_UP_DAYS, market

from orchestration.evaluation import lines, panel
from orchestration.evaluation.facts import HOUR


@pytest.fixture(scope="module")
def facts():
    return market(1, exchanges=("bybit", "gate"))


def test_an_instrument_that_was_not_observed_throughout_brings_nothing_of_that_dataset(facts):
    frame = facts.instruments.copy()
    is_late = (frame["instrument"] == "gate:BTC/USDT:USDT") & (frame["as_of"] < frame["as_of"].min() + 20 * HOUR)
    frame.loc[is_late, "long_usd"] = np.nan  # 20 of 1,584 hours: more than one in a hundred
    frozen = panel.frozen(replace(facts, instruments=frame))
    members = frozen.members.set_index(["instrument", "dataset"])
    assert not members.loc[("gate:BTC/USDT:USDT", "liquidations"), "is_member"]
    assert members["is_member"].sum() == len(members) - 1
    its = frozen.instruments[frozen.instruments["instrument"] == "gate:BTC/USDT:USDT"]
    assert its[["long_usd", "completeness", "epoch_at"]].isna().all(axis=None)
    assert its[["open_interest_usd", "funding_rate_annualised"]].notna().all(axis=None)


def test_a_few_missing_hours_make_nobody_leave(facts):
    frame = facts.instruments.copy()
    frame.loc[frame["as_of"] == frame["as_of"].min() + 100 * HOUR, "long_usd"] = np.nan
    assert panel.frozen(replace(facts, instruments=frame)).members["is_member"].all()


def test_without_an_exchange_its_prices_go_too(facts):
    frozen = panel.frozen(facts)
    assert panel.exchanges(frozen) == ["bybit", "gate"]
    less = panel.without(frozen, "gate")
    assert set(less.instruments["instrument"].str.partition(":")[0]) == {"bybit"}
    assert set(less.bars["instrument"].str.partition(":")[0]) == {"bybit"}
    assert panel.without(less, "bybit") is None


def test_nobody_observed_throughout_is_refused(facts):
    bars = facts.bars[facts.bars["as_of"].dt.hour < 12]
    with pytest.raises(ValueError, match="nobody's prices were observed throughout"):
        panel.frozen(replace(facts, bars=bars))


def test_thinning_takes_the_share_that_is_kept_and_only_of_complete_events(facts):
    frozen = panel.frozen(facts)
    hour = frozen.hours[100]
    names = ["bybit:BTC/USDT:USDT", "gate:BTC/USDT:USDT"]
    kept = pd.DataFrame({"as_of": hour, "instrument": names, "kept_ratio": 0.25})
    thin = panel.thinned(frozen, kept, "bybit")
    before, after = (
        frame.set_index(["as_of", "instrument"])["long_usd"] for frame in (frozen.instruments, thin.instruments)
    )
    assert after[hour, names[0]] == before[hour, names[0]] / 4
    others = before.index != (hour, names[0])
    assert after[before.index][others].equals(before[others])
    of_totals = replace(frozen, instruments=frozen.instruments.assign(completeness="totals"))
    assert panel.thinned(of_totals, kept, "bybit").instruments["long_usd"].equals(of_totals.instruments["long_usd"])


def test_later_hours_never_change_an_earlier_score_on_the_panel():
    facts = market(3, foreseen=True)
    until = facts.instruments["as_of"].max() - 100 * HOUR
    cut = replace(
        facts, **{name: getattr(facts, name)[lambda its: its["as_of"] <= until] for name in ("instruments", "bars")}
    )
    whole, earlier = (lines.scored(panel.frozen(its), WARM_UP_DAYS)["ALL"] for its in (facts, cut))
    pd.testing.assert_frame_equal(whole.loc[:until], earlier, check_freq=False)


def test_own_weights_give_the_score_and_the_regime_is_the_score_s_own():
    frozen = panel.frozen(market(2, foreseen=True))
    scores = lines.scored(frozen, WARM_UP_DAYS)["BTC"]
    certain = scores["score_low"] == scores["score_high"]
    assert np.abs(lines.weighted(scores, lines.WEIGHTS) - scores["score"])[certain].max() <= 0.005
    is_counted = scores["regime_low"].notna().to_numpy()
    names = np.array([*lines.REGIMES, None], dtype=object)[lines.regimes(scores["score_low"].to_numpy(), is_counted)]
    assert (names[is_counted] == scores["regime_low"][is_counted].to_numpy()).all()
    assert len(set(names[is_counted])) > 1


def test_fear_and_greed_counts_from_when_it_was_known_for_two_days_and_fear_is_high():
    facts = market(1)
    known_at = pd.Timestamp("2025-01-20 08:30").as_unit("us")
    facts = replace(facts, fear_and_greed=pd.DataFrame({"known_at": [known_at], "value": [12.0]}))
    found = lines.baselines(panel.frozen(facts), facts, "BTC", WARM_UP_DAYS)["fear_and_greed_value"].dropna()
    assert set(found) == {88.0}
    assert (found.index[0], found.index[-1]) == (pd.Timestamp("2025-01-20 09:00"), pd.Timestamp("2025-01-22 08:00"))
