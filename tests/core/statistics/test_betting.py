"""Betting: the wealth under H0 by enumeration, the level under peeking, and the interval."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.statistics.betting import BettingTest, betting_interval, typical_interval

values = st.lists(st.sampled_from([-1.0, -0.5, -0.02, 0.0, 0.3, 1.0]), min_size=1, max_size=80)


@pytest.mark.parametrize("worse", [0.1, 0.3, 0.55])
def test_the_mean_wealth_at_the_margin_is_one_exactly(worse: float) -> None:
    """All paths of six cases of a candidate that is worse by just the margin, each with its chance."""
    chances = {-1: worse, 1: worse - 0.1, 0: 1 - 2 * worse + 0.1}
    mean = 0.0
    for path in itertools.product(chances, repeat=6):
        test = BettingTest(0.1, 0.01)
        for d in path:
            test.add(d)
        mean += test.wealth * math.prod(chances[d] for d in path)
    assert mean == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("losses", "loss"), [(0.05, 1.0), (0.2, 0.5), (0.0625, 1.0)], ids=["losses only", "halves", "rare and large"]
)
def test_a_candidate_at_the_margin_passes_rarely_however_often_one_looks(losses: float, loss: float) -> None:
    """The third gains a little nearly always and loses all now and then: its variance looks small until it does."""
    gain = (losses * loss - 0.05) / (1 - losses)
    rng, passed = random.Random(1), 0
    for _ in range(1000):
        test = BettingTest(0.05, 0.05)
        for _ in range(200):
            if test.add(-loss if rng.random() < losses else gain):
                passed += 1
                break
    assert passed <= 0.05 * 1000 + 3 * math.sqrt(0.05 * 0.95 * 1000)


def test_a_candidate_without_a_flip_passes_and_when_is_known() -> None:
    test = BettingTest(0.05, 0.01)
    for _ in range(200):
        test.add(0)
    assert test.passed_at == 123


def test_missing_cases_taken_as_lost_only_make_it_harder() -> None:
    full, holes = BettingTest(0.05, 0.01), BettingTest(0.05, 0.01)
    for number in range(300):
        full.add(0)
        holes.add(-1 if number % 20 == 0 else 0)
    assert full.wealth > holes.wealth
    assert not holes.passed


def test_having_passed_is_not_taken_back() -> None:
    test = BettingTest(0.05, 0.05)
    for _ in range(150):
        test.add(0)
    for _ in range(50):
        assert test.add(-1)
    assert test.wealth < 1 < test.most


def test_small_clusters_count_for_less() -> None:
    small, large = BettingTest(0.05, 0.01), BettingTest(0.05, 0.01)
    small.add(-1, weight=0.1)
    large.add(-1)
    assert large.wealth < small.wealth < 1


@given(values)
def test_the_interval_holds_the_mean_and_mirrors(differences: list[float]) -> None:
    low, high = betting_interval(differences)
    assert -1 <= low <= sum(differences) / len(differences) <= high <= 1
    mirrored = betting_interval([-d for d in differences])
    assert (-mirrored[1], -mirrored[0]) == pytest.approx((low, high), abs=1e-9)


@given(values)
def test_the_order_does_not_matter_and_more_confidence_is_wider(differences: list[float]) -> None:
    low, high = betting_interval(differences)
    assert betting_interval(sorted(differences)) == (low, high)
    wider = betting_interval(differences, confidence=0.99)
    assert wider[0] <= low
    assert high <= wider[1]


def test_test_and_interval_agree() -> None:
    """The lower limit at 1 - 2 · alpha lies above -margin when the wealth against -margin is 1 / alpha now."""
    rng = random.Random(8)
    for _ in range(40):
        differences = [rng.choice((0, 0, 0, 0, 0, 0, 0, 0, 0, 1, -1)) for _ in range(150)]
        test = BettingTest(0.1, 0.025)
        for d in differences:
            test.add(d)
        assert (test.wealth >= 40) == (betting_interval(differences)[0] >= -0.1)


def test_nothing_measured_says_nothing() -> None:
    assert betting_interval([]) == (-1.0, 1.0)


@pytest.mark.parametrize("bad", [-1.1, 1.1, float("nan")])
def test_a_difference_beyond_its_bounds_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="lies in"):
        BettingTest(0.05, 0.01).add(bad)
    with pytest.raises(ValueError, match="lie in"):
        betting_interval([bad])


@pytest.mark.parametrize(("margin", "alpha"), [(-0.01, 0.01), (1.0, 0.01), (0.05, 0.0), (0.05, 1.0)])
def test_bounds_of_margin_and_alpha(margin: float, alpha: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        BettingTest(margin, alpha)


GRADED = [((7 * number * number + 3 * number) % 11 - 4) / 10 for number in range(40)]
FLIPS = [-1.0 if number % 13 == 5 else 1.0 if number % 17 == 3 else 0.0 for number in range(80)]


@pytest.mark.parametrize(
    ("differences", "margin", "wealth", "most"),
    [
        (GRADED, 0.05, 1.3700008086443494, 1.4772812657749548),
        (FLIPS, 0.1, 3.178195450926119, 3.178195450926119),
        (FLIPS, 0.05, 0.7164628758968535, 1.7868859839178537),
    ],
)
def test_the_wealth_is_that_of_confseq(differences: list[float], margin: float, wealth: float, most: float) -> None:
    """Computed with `betting_mart` of confseq 0.0.11, which cannot be installed without Boost.

    Its x is (d + 1) / 2, its m (1 - margin) / 2, its constant bets are ours over m, added up by our weights.
    """
    test = BettingTest(margin, 0.01)
    for difference in differences:
        test.add(difference)
    assert (test.wealth, test.most) == pytest.approx((wealth, most), rel=1e-12)


@pytest.mark.parametrize(
    ("differences", "limits"),
    [
        (GRADED, (-0.1608762046089396, 0.1776043101981486)),
        (FLIPS, (-0.15660110990938847, 0.12929292107946821)),
    ],
)
def test_the_interval_is_where_the_wealth_of_confseq_reaches_its_target(
    differences: list[float], limits: tuple[float, float]
) -> None:
    """The least and the largest mean against which that mixture has not won 2 / .05, found by halving."""
    assert betting_interval(differences) == pytest.approx(limits, abs=1e-9)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 1.5, math.nan])
def test_an_interval_has_a_confidence_between_0_and_1(confidence: float) -> None:
    with pytest.raises(ValueError, match="confidence"):
        betting_interval([0.0], confidence=confidence)
    with pytest.raises(ValueError, match="confidence"):
        typical_interval([0.0], confidence=confidence)


def test_the_median_of_what_is_no_number_is_none() -> None:
    with pytest.raises(ValueError, match="numbers"):
        typical_interval([1.0, math.nan])
