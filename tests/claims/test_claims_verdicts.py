"""Each verdict and its place in the order, and what holds of verdicts whatever the figures are."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.claims.stated import RELATIONS, Claim
from orchestration.claims.verdicts import Answer, Verdict, implied_base, intervals, judged, quantity, settled

NOW = datetime(2026, 2, 12, tzinfo=UTC)
HELD = [(NOW - timedelta(days=9), NOW - timedelta(days=8))]


def claim(value=26.0, relation="equals", tolerance=0.26, **changes) -> Claim:
    stated = {
        "claim": "a", "source": "", "pair": None, "metric": "liquidations", "scope": "ALL", "window": "24h",
        "unit": "billion_usd", "rounding": 0.5, "as_of": NOW,
    }  # fmt: skip
    return Claim(**(stated | changes), value=value, relation=relation, tolerance=tolerance)


def answer(figure=1.0, **changes) -> Answer:
    return Answer("ALL", "select", figure, **({"observed_ratio": 1.0, "is_lower_bound": False} | changes))


PARTNER = claim(-4.4, claim="p", metric="open_interest_change", unit="percent", rounding=0.05)


@pytest.mark.parametrize(
    ("given_answer", "partner", "verdict"),
    [
        (answer(None), None, "not_checkable"),
        (answer(26, observed_ratio=0.949), None, "not_checkable"),
        (answer(26, observed_ratio=None), None, "not_checkable"),
        (answer(26, observed_ratio=0.95, is_lower_bound=True), None, "supported"),  # throttled is not unobserved
        (answer(26.2, base=97.0, held=HELD), PARTNER, "supported"),
        (answer(4.3, base=97.0, held=HELD), PARTNER, "inconsistent_pair"),
        (answer(4.3, base=200.0, held=HELD), PARTNER, "stale"),  # three times ours reach 573
        (answer(4.3, base=610.0, held=HELD), PARTNER, "inconsistent_pair"),  # more than the 609 that they allow
        (answer(4.3, held=HELD), PARTNER, "stale"),  # nobody knows what there was
        (answer(4.3, base=97.0), None, "contradicted"),  # the other row of the pair stands for itself
        (answer(4.3), None, "contradicted"),
        (answer(30, is_lower_bound=True), None, "contradicted"),
        (answer(1, is_lower_bound=True, fully_reported=0.46, full_reporting_ratio=0.41), None, "contradicted"),
        (answer(1, is_lower_bound=True, fully_reported=4.0, full_reporting_ratio=0.41), None, "not_checkable"),
        (answer(1, is_lower_bound=True), None, "not_checkable"),
        (answer(1, is_lower_bound=True, fully_reported=0.0, full_reporting_ratio=0.0), None, "not_checkable"),
    ],
)
def test_the_first_verdict_that_holds_is_given(given_answer, partner, verdict):
    assert judged(claim(), given_answer, partner).verdict == verdict


def test_reasons_say_what_a_verdict_rests_on():
    bounded = answer(0.991, is_lower_bound=True, fully_reported=0.462, full_reporting_ratio=0.41)
    told = judged(claim(), bounded).reason
    assert "at least 0.991 billion USD" in told
    assert "0.462 billion USD on 41 %" in told
    assert "3.3805 billion USD, below the claim" in told
    told = judged(claim(-26.0), answer(-4.27, base=96.97), PARTNER).reason
    assert "573.03 billion USD to 609.2 billion USD" in told
    assert "96.97 billion USD" in told
    stale = judged(claim(), answer(4.3, held=[*HELD, (NOW - timedelta(days=2), NOW - timedelta(days=1))]))
    assert "2026-02-03 00:00 to 2026-02-04 00:00 UTC, 2026-02-10 00:00 to 2026-02-11 00:00 UTC" in stale.reason
    assert stale.implied_as_of == NOW - timedelta(days=1)
    assert judged(claim(), answer(None, why="timeout")).reason == "timeout"


@pytest.mark.parametrize(
    ("of_btc", "of_all", "verdict"),
    [
        ("supported", "contradicted", "scope_ambiguous"),
        ("contradicted", "supported", "scope_ambiguous"),
        ("supported", "not_checkable", "supported"),
        ("contradicted", "not_checkable", "not_checkable"),  # it may be true of the other
        ("contradicted", "contradicted", "contradicted"),
        ("not_checkable", "stale", "stale"),
    ],
)
def test_a_claim_without_a_scope_is_read_kindly_unless_its_readings_contradict(of_btc, of_all, verdict):
    told = settled([Verdict(of_btc, answer(1), "one"), Verdict(of_all, answer(2), "two")])
    assert told.verdict == verdict
    assert "one" in told.reason
    assert "two" in told.reason
    if "supported" in (of_btc, of_all):
        assert told.answer.figure == (1 if of_btc == "supported" else 2)


def test_what_usd_and_ratio_imply_has_their_rounding():
    """-26 (25.5 to 26.5) and -4.4 % (4.35 to 4.45): 573 to 609; -0.0 % may be of anything."""
    assert implied_base(claim(-26.0), PARTNER) == pytest.approx((25.5 / 0.0445, 26.5 / 0.0435))
    nothing = claim(0.0, unit="percent", rounding=0.05)
    assert implied_base(claim(-26.0), nothing)[1] == float("inf")


def test_intervals_end_where_the_level_is_left_or_was_not_seen():
    hours = [NOW + timedelta(hours=n) for n in range(8)]
    figures = [26, 26, 4, 26, None, 26, 26, 26]
    shares = [1, 1, 1, 1, 1, 1, 0.5, 1]
    seen = [row for row in zip(hours, figures, shares, strict=True) if row[0] != hours[1]]
    assert intervals(seen, claim()) == [(hours[n], hours[n]) for n in (0, 3, 5, 7)]
    assert intervals(list(zip(hours, figures, shares, strict=True)), claim())[0] == (hours[0], hours[1])


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (67_450.4, "usd", "67,450 USD"),
        (-4.40036, "percent", "-4.4004 %"),
        (237.0, "million_usd", "237 million USD"),
        (0.98506, "billion_usd", "0.9851 billion USD"),
        (0.3, "ratio", "0.3"),
        (0.0, "points", "0 points"),
    ],
)
def test_quantities_have_five_digits_at_most(value, unit, text):
    assert quantity(value, unit) == text


sizes = st.floats(0.001, 1e6)
relations = st.sampled_from(RELATIONS)


@given(figure=sizes, value=sizes, relation=relations, reported=st.none() | sizes, share=st.floats(0, 1))
def test_a_lower_bound_contradicts_a_higher_claim_only_beyond_its_upper_bound(figure, value, relation, reported, share):
    stated = claim(value, relation, 0.01 * value)
    bounded = answer(figure, is_lower_bound=True, fully_reported=reported, full_reporting_ratio=share)
    verdict = judged(stated, bounded).verdict
    low, high = stated.range
    if figure < low:
        is_beyond = bounded.upper_bound is not None and low > bounded.upper_bound
        assert verdict == ("contradicted" if is_beyond else "not_checkable")
    else:
        assert verdict == ("supported" if figure <= high else "contradicted")


@given(figure=sizes, value=sizes, relation=relations)
def test_a_figure_that_is_no_bound_supports_or_contradicts(figure, value, relation):
    stated = claim(value, relation, 0.0)
    low, high = stated.range
    assert judged(stated, answer(figure)).verdict == ("supported" if low <= figure <= high else "contradicted")


@given(value=sizes, figure=sizes, more=st.floats(0, 1e6))
def test_one_sided_claims_stay_supported_on_their_side(value, figure, more):
    def is_supported(relation, figure):
        return judged(claim(value, relation, 0.0), answer(figure)).verdict == "supported"

    for relation in ("at_least", "holds"):
        assert is_supported(relation, figure + more) >= is_supported(relation, figure)
    assert is_supported("at_most", figure) >= is_supported("at_most", figure + more)


@given(
    figure=st.none() | sizes, value=sizes, relation=relations, observed=st.none() | st.floats(0, 1),
    is_lower_bound=st.booleans(), base=st.none() | sizes, held=st.sampled_from([[], HELD]),
)  # fmt: skip
def test_what_was_not_observed_is_never_judged(figure, value, relation, observed, is_lower_bound, base, held):
    known = answer(figure, observed_ratio=observed, is_lower_bound=is_lower_bound, base=base, held=held)
    told = judged(claim(value, relation), known, PARTNER)
    if figure is None or observed is None or observed < 0.95:
        assert told.verdict == "not_checkable"
    assert told.reason
    assert (told.implied_as_of is not None) == (told.verdict == "stale")
