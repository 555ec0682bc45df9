"""AUROC, average precision and their bootstrap against answers that are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.evaluation import discrimination as its


def figures(values, labels) -> tuple[float, float]:
    of = its.weighed(np.array(values, float), np.array(labels, float), np.zeros(len(values), dtype=int))
    pooled = of.positive.sum(axis=0), of.negative.sum(axis=0)
    return float(its.auroc(*pooled)), float(its.average_precision(*pooled))


def test_a_perfect_line_has_1_and_one_turned_round_0():
    assert figures([1, 2, 3, 4], [0, 0, 1, 1]) == (1.0, 1.0)
    assert figures([4, 3, 2, 1], [0, 0, 1, 1])[0] == 0.0


def test_a_constant_line_is_chance():
    """All pairs are ties, half each; one threshold, at which a quarter of the alarms are right."""
    assert figures([7, 7, 7, 7], [0, 1, 0, 0]) == (0.5, 0.25)


def test_random_lines_are_chance():
    random = np.random.default_rng(3)
    labels = (random.random(20_000) < 0.1).astype(float)
    area, precision = figures(random.random(20_000), labels)
    assert area == pytest.approx(0.5, abs=0.02)
    assert precision == pytest.approx(labels.mean(), abs=0.02)


def test_ties_by_hand():
    """Positives 3 and 2, negatives 2 and 1. Pairs: 3>2, 3>1, 2=2 (half), 2>1: 3.5 of 4. Thresholds: at 3 precision 1
    adds a recall of a half; at 2 two of three alarms are right and add the other half: 1/2 + 2/3 x 1/2 = 5/6."""
    assert figures([3, 2, 2, 1], [1, 1, 0, 0]) == (0.875, pytest.approx(5 / 6))


def test_hours_without_value_or_label_are_left_out():
    nan = np.nan
    assert figures([3, 2, 2, 1, nan, 9], [1, 1, 0, 0, 1, nan]) == (0.875, pytest.approx(5 / 6))
    assert np.isnan(figures([1, 2], [0, 0])).all()


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=2, max_size=60))
def test_auroc_counts_pairs(hours):
    values, labels = (np.array(column, float) for column in zip(*hours, strict=True))
    pairs = [(p > n) + (p == n) / 2 for p in values[labels == 1] for n in values[labels == 0]]
    found = figures(values, labels)[0]
    assert np.isnan(found) if not pairs else found == pytest.approx(np.mean(pairs))


def test_blocks_hold_an_event_each():
    blocks = its.event_blocks(100, [(10, 20), (41, 50), (90, 95)])
    assert blocks.tolist() == [0] * 31 + [1] * 40 + [2] * 29  # cut halfway between 20 and 41, and between 50 and 90


def synthetic(events: int, shift: float, seed: int, apart: int = 100) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """values, labels, blocks: 20 positive hours an event, whose values share a draw of the event's own."""
    random = np.random.default_rng(seed)
    values, labels = random.normal(size=events * apart), np.zeros(events * apart)
    for event in range(events):
        hours = slice(event * apart + 40, event * apart + 60)
        labels[hours] = 1
        values[hours] = shift + random.normal() + 0.1 * random.normal(size=20)
    return values, labels, its.event_blocks(len(values), [(e * apart + 40, e * apart + 59) for e in range(events)])


def test_bootstrap_is_the_same_again():
    one, other = (its.compared({"line": values}, labels, blocks)
                  for values, labels, blocks in (synthetic(12, 1.0, 5), synthetic(12, 1.0, 5)))  # fmt: skip
    assert one == other


def test_interval_covers_what_is_true_about_as_often_as_it_says():
    """A positive hour is N(1, 1.01), a negative one N(0, 1): AUROC is P(N(1, 2.01) > 0) = 0.760. Of 90 % intervals over
    15 events, some 85 % hold it: few blocks make a bootstrap narrow. Drawn by hour it is narrower yet."""
    hits, widths, by_hour = 0, [], []
    for seed in range(60):
        values, labels, blocks = synthetic(15, 1.0, seed)
        low, high = its.compared({"line": values}, labels, blocks)[0]["auroc_interval"]
        hits += low <= 0.760 <= high
        widths.append(high - low)
    for seed in range(3):
        values, labels, _ = synthetic(15, 1.0, seed)
        low, high = its.compared({"line": values}, labels, np.arange(len(values)))[0]["auroc_interval"]
        by_hour.append(high - low)
    assert 45 <= hits <= 60
    assert np.mean(widths) > 2 * np.mean(by_hour)


def test_differences_are_paired():
    """A line against itself differs by nothing in every draw, however wide its own interval is."""
    values, labels, blocks = synthetic(12, 1.0, 1)
    first, same = its.compared({"score": values, "same": values}, labels, blocks)
    assert same["auroc_difference"] == 0
    assert same["auroc_difference_interval"] == [0, 0]
    assert first["auroc_interval"][0] < first["auroc_interval"][1]


def test_lines_are_compared_on_the_hours_that_all_of_them_know():
    values, labels, blocks = synthetic(12, 1.0, 1)
    half = np.where(np.arange(len(values)) < 600, values, np.nan)
    rows = its.compared({"score": values, "half": half}, labels, blocks)
    assert {(row["positive_hours"], row["negative_hours"]) for row in rows} == {(120, 480)}


def test_precision_and_recall_by_hand():
    """At or above 60: hours 0, 1 and 3, of which 0 and 3 are before a fall: 2 of 3; of four such hours 2."""
    score = np.array([80, 60, 59, 90, 10, np.nan])
    labels = np.array([1, 0, 1, 1, 1, 1.0])
    sixty, hundred = its.at_cut_offs(score, labels, np.array([0, 0, 0, 1, 1, 1]), [60, 100])
    assert (sixty["precision"], sixty["recall"]) == (pytest.approx(2 / 3), 0.5)
    assert (hundred["precision"], hundred["recall"], hundred["recall_interval"]) == (None, 0.0, None)
