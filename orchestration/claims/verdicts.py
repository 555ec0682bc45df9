"""A claim and what the warehouse answered in, verdict and reason out: pure, the rules of docs/method.md.

Here belong the verdicts, their order and their words. How the warehouse is asked stands in `metrics`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from orchestration.claims.metrics import UNITS
from orchestration.claims.stated import Claim

NOT_CHECKABLE, SUPPORTED, CONTRADICTED = "not_checkable", "supported", "contradicted"
INCONSISTENT, STALE, AMBIGUOUS = "inconsistent_pair", "stale", "scope_ambiguous"
VERDICTS = (SUPPORTED, CONTRADICTED, STALE, INCONSISTENT, AMBIGUOUS, NOT_CHECKABLE)
KINDEST = (SUPPORTED, STALE, INCONSISTENT, NOT_CHECKABLE, CONTRADICTED)  # of several readings
LEAST_OBSERVED = 0.95
TIMES = 3  # how much more there may be than what the watched exchanges lead to expect


@dataclass(frozen=True)
class Answer:
    """What the warehouse knows of a claim in one scope, in the claim's unit; None is not known.

    `fully_reported` and `full_reporting_ratio` are of the exchanges that report every liquidation: their sum, and their
    share of the watched open interest. `base` is what a change started from, `held` are the intervals (first and last
    hour) of the days before in which a level was as claimed.
    """

    scope: str
    query: str
    figure: float | None = None
    observed_ratio: float | None = None
    is_lower_bound: bool | None = None
    fully_reported: float | None = None
    full_reporting_ratio: float | None = None
    base: float | None = None
    detail: str | None = None
    why: str | None = None
    held: Sequence[tuple[datetime, datetime]] = field(default=())

    @property
    def upper_bound(self) -> float | None:
        """What a lower bound is thought not to exceed; None where nobody reports fully."""
        if self.fully_reported is None or not self.full_reporting_ratio:
            return None
        return TIMES * self.fully_reported / self.full_reporting_ratio


@dataclass(frozen=True)
class Verdict:
    """What became of a claim, in one scope or, as `settled`, in all that it may mean."""

    verdict: str
    answer: Answer
    reason: str
    implied_as_of: datetime | None = None


def judged(claim: Claim, answer: Answer, partner: Claim | None = None) -> Verdict:
    """The first verdict that holds in one scope; `partner` is the claim whose ratio goes with this one's USD."""
    figure, (low, high) = answer.figure, claim.range
    if figure is None:
        return Verdict(NOT_CHECKABLE, answer, answer.why or "the warehouse has no such figure at this hour")
    if answer.observed_ratio is None or answer.observed_ratio < LEAST_OBSERVED:
        seen, needed = f"{100 * (answer.observed_ratio or 0):.1f} %", f"{100 * LEAST_OBSERVED:.0f} %"
        return Verdict(NOT_CHECKABLE, answer, f"only {seen} was observed, and {needed} are needed")
    ours = _ours(claim, answer)
    if low <= figure <= high:
        return Verdict(SUPPORTED, answer, ours)
    if partner and answer.base is not None:
        least, most = implied_base(claim, partner)
        if most < answer.base or least > TIMES * answer.base:
            start = f"{quantity(least, claim.unit)} to {quantity(most, claim.unit)}"
            there = f"where there were {quantity(answer.base, claim.unit)}"
            return Verdict(INCONSISTENT, answer, f"{ours}; with {partner.claim} it implies a start of {start}, {there}")
    if answer.held:
        spans = ", ".join(f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC" for first, last in answer.held)
        return Verdict(STALE, answer, f"{ours}; it was so from {spans}", answer.held[-1][1])
    if not answer.is_lower_bound:
        return Verdict(CONTRADICTED, answer, ours)
    if figure > high:
        return Verdict(CONTRADICTED, answer, f"{ours}: what was reported is above it already")
    fully, share, upper = answer.fully_reported, answer.full_reporting_ratio, answer.upper_bound
    if fully is None or share is None or upper is None:
        return Verdict(NOT_CHECKABLE, answer, f"{ours}, and no exchange that reports fully bounds it from above")
    bounded = (
        f"{ours}; the exchanges that report fully had {quantity(fully, claim.unit)} on {100 * share:.0f} % of the "
        f"watched open interest: scaled to all of it and times {TIMES} that is {quantity(upper, claim.unit)}"
    )
    if low > upper:
        return Verdict(CONTRADICTED, answer, f"{bounded}, below the claim")
    return Verdict(NOT_CHECKABLE, answer, f"{bounded}, so the claim can't be refuted")


def settled(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict on a claim, of those of all scopes that it may mean: the kindest, unless two of them contradict."""
    kindest = min(verdicts, key=lambda one: KINDEST.index(one.verdict))
    if len(verdicts) == 1:
        return kindest
    told = {one.verdict for one in verdicts}
    verdict = AMBIGUOUS if {SUPPORTED, CONTRADICTED} <= told else kindest.verdict
    reasons = "; ".join(f"{one.answer.scope}, {one.verdict.replace('_', ' ')}: {one.reason}" for one in verdicts)
    return Verdict(verdict, kindest.answer, f"no scope is stated. {reasons}", kindest.implied_as_of)


def intervals(
    hours: Sequence[tuple[datetime, float | None, float | None]], claim: Claim
) -> list[tuple[datetime, datetime]]:
    """The first and last hour of every run of hours, of (hour, figure, observed_ratio) in order, that bear it out."""
    low, high = claim.range
    runs: list[tuple[datetime, datetime]] = []
    for hour, figure, observed_ratio in hours:
        if figure is None or (observed_ratio or 0) < LEAST_OBSERVED or not low <= figure <= high:
            continue
        if runs and hour - runs[-1][1] == timedelta(hours=1):
            runs[-1] = runs[-1][0], hour
        else:
            runs.append((hour, hour))
    return runs


def implied_base(claim: Claim, partner: Claim) -> tuple[float, float]:
    """The least and the most that a change in USD and its ratio say there was at the start, with their rounding."""
    size = UNITS[partner.unit][1]
    ratio, slack = abs(partner.value) * size, partner.rounding * size
    most = (abs(claim.value) + claim.rounding) / (ratio - slack) if ratio > slack else float("inf")
    return max(0.0, abs(claim.value) - claim.rounding) / (ratio + slack), most


def quantity(value: float, unit: str) -> str:
    """A figure with its unit, in five digits at most: `67,450 USD`, `-4.4004 %`, `237 million USD`."""
    number, words = f"{value:,.{max(0, 5 - len(f'{abs(value):.0f}'))}f}", UNITS[unit][2]
    if "." in number:
        number = number.rstrip("0").rstrip(".")
    return f"{number} {words}".rstrip()


def claimed(claim: Claim) -> str:
    """The figures that bear a claim out: `4.3950 to 4.4050 %`, `at least 75,000 USD`."""
    low, high = claim.range
    if high == float("inf"):
        return f"at least {quantity(low, claim.unit)}"
    if low == float("-inf"):
        return f"at most {quantity(high, claim.unit)}"
    words = f" {UNITS[claim.unit][2]}".rstrip()
    return f"{quantity(low, claim.unit).removesuffix(words)} to {quantity(high, claim.unit)}"


def _ours(claim: Claim, answer: Answer) -> str:
    """Our figure beside the claimed ones; of a lower bound, so much was reported."""
    bound = "at least " if answer.is_lower_bound else ""
    detail = f" ({answer.detail})" if answer.detail else ""
    return f"ours {bound}{quantity(answer.figure or 0.0, claim.unit)}{detail}, claimed {claimed(claim)}"
