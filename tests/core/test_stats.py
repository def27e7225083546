"""The exact tests against scipy, against enumeration and against what must always hold."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from promptops.core.stats import (
    binomial_probability,
    fisher_exact,
    mcnemar_exact,
    median,
    normal_tail,
    quantile,
    ratio_of_medians,
    wilson_interval,
    z_value,
)

counts = st.integers(min_value=0, max_value=120)


@given(broke=counts, fixed=counts)
def test_mcnemar_is_the_binomial_test_of_scipy(broke: int, fixed: int) -> None:
    expected = stats.binomtest(broke, broke + fixed, 0.5, alternative="greater").pvalue if broke + fixed else 1.0
    assert mcnemar_exact(broke, fixed) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("pairs", range(9))
def test_mcnemar_is_what_enumerating_all_coins_gives(pairs: int) -> None:
    for broke in range(pairs + 1):
        tosses = list(itertools.product((0, 1), repeat=pairs))
        expected = sum(sum(toss) >= broke for toss in tosses) / len(tosses)
        assert mcnemar_exact(broke, pairs - broke) == expected


@given(broke=counts, fixed=counts)
def test_mcnemar_falls_when_one_more_case_breaks(broke: int, fixed: int) -> None:
    assert mcnemar_exact(broke + 1, fixed) <= mcnemar_exact(broke, fixed)
    assert mcnemar_exact(broke, fixed + 1) >= mcnemar_exact(broke, fixed)


def test_mcnemar_of_very_many_pairs_stays_a_number() -> None:
    assert mcnemar_exact(3000, 2800) == pytest.approx(stats.binom.sf(2999, 5800, 0.5), rel=1e-6)


def test_the_textbook_example_of_mcnemar_is_met() -> None:
    # Agresti, "Categorical Data Analysis" (2002), table 10.1: 150 and 86 discordant; two-sided p about 3.7e-5.
    assert 2 * mcnemar_exact(150, 86) == pytest.approx(3.7e-5, rel=0.02)


@given(st.tuples(counts, counts, counts, counts))
def test_fisher_is_that_of_scipy(table: tuple[int, int, int, int]) -> None:
    a, b, c, d = table
    expected = stats.fisher_exact([[a, b], [c, d]], alternative="less")[1]
    assert fisher_exact(a, a + b, c, c + d) == pytest.approx(expected, rel=1e-7, abs=1e-12)


def test_the_lady_tasting_tea_is_met() -> None:
    # Fisher, "The Design of Experiments" (1935), chapter 2: all right by chance 1 in 70, three of four 17 in 70.
    assert fisher_exact(0, 4, 4, 4) == pytest.approx(1 / 70)
    assert fisher_exact(1, 4, 3, 4) == pytest.approx(17 / 70)


@given(total=st.integers(1, 400), share=st.floats(0, 1), confidence=st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_intervals_are_those_of_scipy(total: int, share: float, confidence: float) -> None:
    passed = round(share * total)
    test = stats.binomtest(passed, total)
    theirs = test.proportion_ci(confidence, "wilson")
    assert wilson_interval(passed, total, confidence=confidence) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@given(total=st.integers(1, 300), share=st.floats(0, 1))
def test_intervals_hold_the_rate_and_mirror(total: int, share: float) -> None:
    passed = round(share * total)
    low, high = wilson_interval(passed, total)
    mirror = wilson_interval(total - passed, total)
    assert 0 <= low <= passed / total <= high <= 1
    assert (1 - mirror[1], 1 - mirror[0]) == pytest.approx((low, high), abs=1e-12)


@given(trials=st.integers(1, 200), count=st.integers(-1, 201), rate=st.floats(0, 1))
def test_binomials_are_those_of_scipy(trials: int, count: int, rate: float) -> None:
    assert binomial_probability(count, trials, rate) == pytest.approx(stats.binom.pmf(count, trials, rate), abs=1e-10)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.floats(0, 1))
def test_quantiles_are_type_seven(values: list[float], q: float) -> None:
    import numpy

    assert quantile(values, q) == pytest.approx(float(numpy.quantile(values, q)), rel=1e-9, abs=1e-6)


@pytest.mark.parametrize(
    ("values", "q", "expected"), [([3.0], 0.95, 3.0), ([1.0, 2.0], 0.5, 1.5), ([5.0, 1.0], 1.0, 5.0)]
)
def test_small_quantiles(values: list[float], q: float, expected: float) -> None:
    assert quantile(values, q) == expected


@pytest.mark.parametrize(("values", "q"), [([], 0.5), ([1.0], 1.1), ([1.0], -0.1)])
def test_a_quantile_of_nothing_is_refused(values: list[float], q: float) -> None:
    with pytest.raises(ValueError, match="quantile"):
        quantile(values, q)


def test_a_ratio_needs_both_sides() -> None:
    assert ratio_of_medians([2.0, 4.0, 90.0], [2.0]) == 2.0
    assert ratio_of_medians([], [1.0]) is None
    assert ratio_of_medians([1.0], [0.0]) is None
    assert median([1.0, 9.0, 2.0]) == 2.0


def test_the_normal_tail_inverts() -> None:
    assert z_value(0.05) == pytest.approx(1.6448536269514722)
    assert normal_tail(z_value(0.013)) == pytest.approx(0.013)
    assert normal_tail(-math.inf) == 1.0


@pytest.mark.parametrize(
    "call", [lambda: wilson_interval(0, 0), lambda: wilson_interval(3, 2), lambda: mcnemar_exact(-1, 2)]
)
def test_impossible_counts_are_refused(call: object) -> None:
    with pytest.raises(ValueError):
        call()  # type: ignore[operator]
