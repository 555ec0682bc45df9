"""The second line: the CISS's arithmetic in words, and what must hold whatever the ranks are."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.score import PARTS
from orchestration.score.parts import WEIGHTS, hundredths
from orchestration.score.second_line import DECAY, UPDATES_UNTIL_PUBLISHED, second_line

BREADTH_WARM_UP, FIRST = 336, 336 + UPDATES_UNTIL_PUBLISHED - 1  # the first hour with a line
CONTRIBUTIONS = [f"second_line_{part}_contribution" for part in PARTS]


def random_ranks(seed: int, hours: int = FIRST + 200, missing: float = 0.01) -> np.ndarray:
    """Ranks that move together more or less, breadth a share that is mostly 0, and holes."""
    random = np.random.default_rng(seed)
    common, own = random.random((hours, 1)), random.random((hours, len(PARTS)))
    together = random.random()
    ranks = together * common + (1 - together) * own
    ranks[:, -1] = np.where(random.random(hours) < 0.9, 0, random.integers(0, 5, hours) / 4)
    ranks[random.random(ranks.shape) < missing / len(PARTS)] = np.nan
    return ranks


def by_hand(ranks: np.ndarray) -> tuple[float, list[float]]:
    """The line of the last hour and its contributions, hour by hour as the formula is written."""
    covariance, seen = np.zeros((6, 6)), []
    for hour in ranks:
        breadth = hour[-1]
        before = list(seen)
        if not np.isnan(breadth):
            seen.append(breadth)
        if len(before) < BREADTH_WARM_UP or np.isnan(hour).any():
            continue
        below, equal = sum(other < breadth for other in before), sum(other == breadth for other in before)
        centred = np.array([*hour[:-1], (below + equal / 2) / len(before)]) - 0.5
        covariance = DECAY * covariance + (1 - DECAY) * np.outer(centred, centred)
        v = WEIGHTS / 100 * hour
    deviation = np.sqrt(np.diag(covariance))
    correlation = np.eye(6)
    for one in range(6):
        for other in range(6):
            if one != other and deviation[one] * deviation[other] > 0:
                correlation[one, other] = covariance[one, other] / (deviation[one] * deviation[other])
    line = np.sqrt(v @ correlation @ v)
    return 100 * line, (100 * v * (correlation @ v) / line).tolist()


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10**6))
def test_the_line_is_the_formula(seed):
    ranks = random_ranks(seed, FIRST + 30, missing=0)
    row = second_line(ranks).iloc[-1]
    line, contributions = by_hand(ranks)
    assert row["second_line"] == pytest.approx(line, abs=0.00501)
    assert row[CONTRIBUTIONS].tolist() == pytest.approx(contributions, abs=0.01)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_contributions_add_up_and_the_second_line_never_exceeds_the_first(seed):
    ranks = random_ranks(seed)
    table = second_line(ranks)
    known = table["second_line"].notna().to_numpy()
    assert known.sum() > 100
    assert not known[np.isnan(ranks).any(axis=1)].any()
    first = hundredths(WEIGHTS * ranks[known]).sum(axis=1) / 100
    assert (table["second_line"][known] <= first).all()
    for _, row in table[known].sample(20, random_state=seed).iterrows():
        shown = sum(Decimal(f"{row[contribution]:.2f}") for contribution in CONTRIBUTIONS)
        assert shown == Decimal(f"{row['second_line']:.2f}")


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, FIRST + 200))
def test_later_hours_change_no_earlier_line(seed, hours):
    ranks = random_ranks(seed)
    whole, early = second_line(ranks), second_line(ranks[:hours])
    assert early.equals(whole[:hours])


def test_parts_that_always_move_together_weigh_as_in_the_first_line():
    one = np.random.default_rng(1).permutation(FIRST + 2) / (FIRST + 2)
    row = second_line(np.column_stack([one] * 6)).iloc[-1]
    assert row["second_line"] == pytest.approx(100 * one[-1], abs=0.3)  # breadth's mid-rank is nearly its value


def test_a_part_that_never_moves_correlates_with_none():
    ranks = random_ranks(3, missing=0)
    ranks[:, 0] = 0.5
    ranks[-1, 1:] = 0
    row = second_line(ranks).iloc[-1]  # liquidations alone: weight 20, rank one half
    assert (row["second_line"], row["second_line_liquidations_contribution"]) == (10, 10)


def test_no_rank_above_nothing_makes_a_line_of_nothing():
    ranks = random_ranks(3, missing=0)
    ranks[-1] = 0
    assert second_line(ranks).iloc[-1][["second_line", *CONTRIBUTIONS]].tolist() == [0] * 7


def test_a_part_against_the_others_contributes_negatively():
    one = np.random.default_rng(1).random(FIRST + 50)
    ranks = np.column_stack([one, one, one, one, 1 - one, one])
    ranks[-1] = [0.9, 0.9, 0.9, 0.9, 0.5, 0.9]
    row = second_line(ranks).iloc[-1]
    assert row["second_line_funding_contribution"] < 0
    assert sum(Decimal(f"{row[name]:.2f}") for name in CONTRIBUTIONS) == Decimal(f"{row['second_line']:.2f}")


def test_the_line_begins_after_30_days_of_hours_in_which_all_is_known():
    table = second_line(random_ranks(5, missing=0))
    assert table["second_line"].first_valid_index() == FIRST
    assert table["second_line_days"][FIRST] == 30


def test_an_hour_that_lacks_a_part_has_no_line_and_changes_no_other():
    ranks = random_ranks(7, missing=0)
    holed = ranks.copy()
    holed[FIRST + 10, 2] = np.nan
    line, without = second_line(holed)["second_line"], second_line(np.delete(ranks, FIRST + 10, axis=0))["second_line"]
    assert np.isnan(line[FIRST + 10])
    # breadth of that hour is known, and stays among what later ones are ranked among
    assert np.delete(line.to_numpy(), FIRST + 10) == pytest.approx(without.to_numpy(), abs=0.05, nan_ok=True)
