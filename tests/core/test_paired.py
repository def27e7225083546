"""Tango's test and interval, and the power that `estimate` promises, against other ways to the same numbers."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from promptops.core.paired import (
    detectable_drop,
    non_inferiority,
    pairs_for_no_flip,
    pairs_to_settle,
    power_to_pass,
    power_to_regress,
    tango_interval,
    tango_score,
)
from promptops.core.stats import mcnemar_exact, z_value

triples = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 120)).map(lambda t: (t[0], t[1], sum(t)))


@pytest.mark.parametrize(("alpha", "pairs"), [(0.05, 52), (0.04, 59)])
def test_without_a_flip_five_points_need_as_many_cases(alpha: float, pairs: int) -> None:
    assert pairs_for_no_flip(0.05, alpha) == pairs
    assert non_inferiority(0, 0, pairs, 0.05) <= alpha < non_inferiority(0, 0, pairs - 1, 0.05)


def test_without_a_flip_the_interval_has_its_closed_form() -> None:
    z = z_value(0.025)
    low, high = tango_interval(0, 0, 60)
    assert (low, high) == pytest.approx((-(z**2) / (60 + z**2), z**2 / (60 + z**2)), abs=1e-9)


def test_a_published_interval_is_met() -> None:
    # Airway reactivity of 21 children, 7 and 1 discordant: Fagerland, Lydersen & Laake, "Recommended tests and
    # confidence intervals for paired binomial proportions", Statistics in Medicine 33 (2014), 2850-2875.
    assert tango_interval(7, 1, 21) == pytest.approx((-0.517, -0.026), abs=5e-4)


@given(triples, st.floats(-0.9, 0.9))
def test_the_restricted_rate_maximises_the_likelihood(counts: tuple[int, int, int], difference: float) -> None:
    """The score uses the variance under H0: find that maximum by brute force and compare."""
    broke, fixed, pairs = counts

    def loss(p: float) -> float:
        parts = [(fixed, p + difference), (broke, p), (pairs - broke - fixed, 1 - 2 * p - difference)]
        return -sum(count * math.log(max(rate, 1e-300)) for count, rate in parts if count)

    low, high = max(0.0, -difference), (1 - difference) / 2
    best = optimize.minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
    variance = pairs * (2 * best + difference * (1 - difference))
    if variance > 1e-4 * pairs:
        expected = (fixed - broke - pairs * difference) / math.sqrt(variance)
        assert tango_score(broke, fixed, pairs, difference) == pytest.approx(expected, rel=2e-3, abs=2e-3)


@given(triples)
def test_the_interval_mirrors_and_holds_the_difference(counts: tuple[int, int, int]) -> None:
    broke, fixed, pairs = counts
    low, high = tango_interval(broke, fixed, pairs)
    mirrored = tango_interval(fixed, broke, pairs)
    assert -1 <= low <= (fixed - broke) / pairs <= high <= 1
    assert (-mirrored[1], -mirrored[0]) == pytest.approx((low, high), abs=1e-9)


@given(triples, st.floats(0.01, 0.3))
def test_one_more_broken_case_makes_a_pass_harder(counts: tuple[int, int, int], margin: float) -> None:
    broke, fixed, pairs = counts
    if broke + fixed < pairs:
        assert non_inferiority(broke + 1, fixed, pairs, margin) >= non_inferiority(broke, fixed, pairs, margin) - 1e-12
    assert non_inferiority(broke, fixed, pairs, margin + 0.05) <= non_inferiority(broke, fixed, pairs, margin) + 1e-12


@given(triples, st.floats(0.01, 0.3))
def test_test_and_interval_agree(counts: tuple[int, int, int], margin: float) -> None:
    broke, fixed, pairs = counts
    low, _ = tango_interval(broke, fixed, pairs, confidence=0.9)
    if abs(low + margin) > 1e-6:
        assert (non_inferiority(broke, fixed, pairs, margin) <= 0.05) == (low > -margin)


def test_the_score_at_zero_is_mcnemars() -> None:
    assert tango_score(4, 11, 60, 0.0) == pytest.approx((11 - 4) / math.sqrt(15))


def test_nothing_measured_shows_nothing() -> None:
    assert non_inferiority(0, 0, 0, 0.05) == 1.0
    assert tango_interval(0, 0, 0) == (-1.0, 1.0)
    assert detectable_drop(0, 0.04, 0.05) is None
    assert detectable_drop(4, 0.0, 0.05) is None  # four of four broken is p = .06


def _simulated(pairs: int, drop: float, noise: float, rounds: int) -> tuple[float, float]:
    rng, regressed, passed = random.Random(7), 0, 0
    for _ in range(rounds):
        broke = fixed = 0
        for _ in range(pairs):
            u = rng.random()
            broke += u < noise / 2 + drop
            fixed += noise / 2 + drop <= u < noise + drop
        regressed += broke > fixed and mcnemar_exact(broke, fixed) <= 0.05
        passed += non_inferiority(broke, fixed, pairs, 0.05) <= 0.05
    return regressed / rounds, passed / rounds


def test_power_is_what_a_simulation_shows() -> None:
    assert power_to_regress(120, 0.08, 0.06, 0.05) == pytest.approx(_simulated(120, 0.08, 0.06, 1500)[0], abs=0.04)
    assert power_to_pass(150, 0.04, 0.05, 0.05) == pytest.approx(_simulated(150, 0.0, 0.04, 1500)[1], abs=0.04)


@pytest.mark.parametrize(("pairs", "noise"), [(60, 0.04), (200, 0.1), (400, 0.02)])
def test_an_equal_candidate_rarely_regresses_and_a_bad_one_rarely_passes(pairs: int, noise: float) -> None:
    assert power_to_regress(pairs, 0.0, noise, 0.05) <= 0.05
    assert _simulated(pairs, 0.05, noise, 1000)[1] <= 0.05 + 0.02  # Tango's level is approximate: about .05


def test_the_detectable_drop_is_where_power_reaches_four_fifths() -> None:
    drop = detectable_drop(200, 0.04, 0.05)
    assert drop is not None
    assert power_to_regress(200, drop, 0.04, 0.05) >= 0.8 > power_to_regress(200, drop - 0.005, 0.04, 0.05)


def test_more_cases_are_named_only_where_they_would_settle_it() -> None:
    total = pairs_to_settle(1, 1, 40, 0.05, 0.05)
    assert total is not None
    assert non_inferiority(total / 40, total / 40, total, 0.05) <= 0.05
    assert pairs_to_settle(0, 0, 0, 0.05, 0.05) is None
