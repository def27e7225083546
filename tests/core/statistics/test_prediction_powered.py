"""Few labels and many judgements: what a judge adds, and that the interval covers."""

from __future__ import annotations

import math
import random

import pytest

from promptops.core.statistics.prediction_powered import PoweredMean, powered_mean


def estimate(rng: random.Random, *, right: float, labels: int = 80, more: int = 800) -> PoweredMean:
    """70 % of outputs are good; the judge is right `right` of the time."""
    truths = [float(rng.random() < 0.7) for _ in range(labels + more)]
    said = [truth if rng.random() < right else 1 - truth for truth in truths]
    return powered_mean(truths[:labels], said[:labels], said[labels:])


@pytest.mark.parametrize("right", [0.5, 0.8, 0.95, 0.1])
def test_the_interval_covers_whatever_the_judge_is_worth(right: float) -> None:
    rng = random.Random(1)
    covered = sum(low <= 0.7 <= high for low, high in (estimate(rng, right=right).interval for _ in range(400)))
    assert covered >= 0.92 * 400


@pytest.mark.parametrize(("labels", "rate"), [(10, 0.97), (20, 0.95), (50, 0.97), (50, 0.99), (100, 0.97)])
def test_it_covers_where_nearly_all_labels_are_the_same(labels: int, rate: float) -> None:
    rng = random.Random(4)
    covered = 0
    for _ in range(400):
        truths = [float(rng.random() < rate) for _ in range(labels + 500)]
        said = [truth if rng.random() < 0.97 else 1 - truth for truth in truths]
        low, high = powered_mean(truths[:labels], said[:labels], said[labels:]).interval
        covered += low <= rate <= high
    assert covered >= 0.92 * 400


def test_labels_that_are_all_the_same_are_not_taken_for_certainty() -> None:
    low, high = powered_mean([1] * 20, [1] * 20, [1] * 500).interval
    assert low < 0.9
    assert high == 1


def test_a_good_judge_makes_it_narrower_and_a_useless_one_not_wider() -> None:
    rng = random.Random(2)

    def width(right: float) -> float:
        found = [estimate(rng, right=right).interval for _ in range(100)]
        return sum(high - low for low, high in found) / 100

    alone = 2 * 1.96 * (0.21 / 80) ** 0.5
    assert width(0.95) < 0.75 * alone
    assert width(0.5) < 1.08 * alone


def test_a_judge_that_says_the_contrary_is_not_trusted() -> None:
    assert estimate(random.Random(3), right=0.1).trust == 0.0


def test_without_judgements_the_labels_speak_alone() -> None:
    found = powered_mean([1, 0, 1, 1], [1, 0, 1, 1], [])
    assert (found.value, found.trust) == (0.75, 0.0)


def test_by_hand() -> None:
    # λ = cov / ((1 + 4/4) · var over all eight) = (1/3) / (2 · 2/7) = 7/12
    found = powered_mean([1, 0, 1, 0], [1, 0, 1, 0], [1, 0, 1, 0])
    assert found.trust == pytest.approx(7 / 12)
    assert found.value == pytest.approx(0.5)
    # the labels less their share of what was judged lie 5/24 off; two more count as if they lay 1 off
    half = 1.959964 * ((7 / 12) ** 2 / 3 / 4 + (4 * (5 / 24) ** 2 + 2) / 4**2) ** 0.5
    assert found.interval == pytest.approx((max(0.0, 0.5 - half), min(1.0, 0.5 + half)), abs=1e-6)


def test_a_constant_judge_says_nothing() -> None:
    assert powered_mean([1, 0, 1], [1, 1, 1], [1, 1, 1]).trust == 0.0


def test_one_label_is_not_enough() -> None:
    with pytest.raises(ValueError, match="two labels"):
        powered_mean([1], [1], [1, 0])


@pytest.mark.parametrize(
    ("labels", "judged", "others"),
    [
        ([math.nan, 1.0], [1.0, 1.0], [1.0, 1.0]),
        ([5.0, 1.0], [1.0, 1.0], [1.0, 1.0]),
        ([0.0, 1.0], [math.inf, 1.0], [1.0, 1.0]),
        ([0.0, 1.0], [0.0, 1.0], [1.0, math.nan]),
    ],
)
def test_what_is_no_number_is_no_mean(labels: list[float], judged: list[float], others: list[float]) -> None:
    with pytest.raises(ValueError, match="labels lie in"):
        powered_mean(labels, judged, others)
