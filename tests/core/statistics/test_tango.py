"""Tango's test and interval against other ways to the same numbers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from promptops.core.statistics.tango import non_inferiority, tango_interval, tango_score
from promptops.core.stats import z_value

triples = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 120)).map(lambda t: (t[0], t[1], sum(t)))


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
