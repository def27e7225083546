"""The exact test of pairs: its chances against all outcomes one by one, and its level where Tango's is too large."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import multinomial

from promptops.core.statistics.exact_pairs import _Region, exact_non_inferiority, pairs_for_no_flip
from promptops.core.statistics.tango import non_inferiority, tango_score

Outcomes = list[tuple[int, int]]
triples = st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(0, 40)).map(lambda t: (t[0], t[1], sum(t) or 1))


def outcomes(pairs: int) -> Outcomes:
    return [(broke, fixed) for broke, fixed in itertools.product(range(pairs + 1), repeat=2) if broke + fixed <= pairs]


def chance_of(some: Outcomes, pairs: int, worse: float, better: float) -> float:
    law = multinomial(pairs, [worse, better, max(0.0, 1 - worse - better)])
    return float(sum(law.pmf([broke, fixed, pairs - broke - fixed]) for broke, fixed in some))


@pytest.mark.parametrize(("broke", "fixed", "pairs", "margin"), [(0, 0, 20, 0.1), (2, 1, 25, 0.05), (3, 5, 15, 0.3)])
@pytest.mark.parametrize("better", [0.0, 0.01, 0.15, 0.35])
def test_the_chance_of_a_region_is_that_of_its_outcomes(
    broke: int, fixed: int, pairs: int, margin: float, better: float
) -> None:
    score = tango_score(broke, fixed, pairs, -margin)
    inside = [pair for pair in outcomes(pairs) if tango_score(*pair, pairs, -margin) >= score - 1e-9]
    found = _Region(pairs, margin, score).chance(better)
    assert found == pytest.approx(chance_of(inside, pairs, margin + better, better), abs=1e-9)


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.1])
@pytest.mark.parametrize(("pairs", "margin"), [(13, 0.3), (18, 0.1), (18, 0.15), (25, 0.08), (38, 0.05)])
def test_it_errs_with_at_most_alpha_whatever_the_noise(alpha: float, pairs: int, margin: float) -> None:
    for after_betting in (False, True):
        passed = []
        for fixed in range(pairs + 1):
            for broke in range(pairs - fixed + 1):
                if exact_non_inferiority(broke, fixed, pairs, margin, alpha=alpha, after_betting=after_betting) > alpha:
                    break
                passed.append((broke, fixed))
        for better in (0.0, 0.005, 0.03, 0.1, 0.2, (1 - margin) / 2):
            assert chance_of(passed, pairs, margin + better, better) <= alpha
            assert chance_of(passed, pairs, margin + better + 0.05, max(0.0, better - 0.05)) <= alpha


@pytest.mark.parametrize(("level", "pairs", "margin"), [(0.08, 38, 0.05), (0.08, 18, 0.1), (0.04, 13, 0.3)])
def test_tangos_own_p_value_would_err_more_often(level: float, pairs: int, margin: float) -> None:
    """What this is for: at four fifths of alpha it has errors beyond all of alpha."""
    passed = [pair for pair in outcomes(pairs) if non_inferiority(*pair, pairs, margin) <= level]
    assert chance_of(passed, pairs, margin, 0.0) > level / 0.8


@given(triples, st.floats(0.01, 0.3))
def test_one_more_broken_pair_makes_a_pass_harder_and_one_more_fixed_does_not(
    counts: tuple[int, int, int], margin: float
) -> None:
    broke, fixed, pairs = counts
    found = exact_non_inferiority(broke, fixed, pairs, margin, alpha=0.05)
    assert 0 < found <= 1
    if broke + fixed < pairs:
        assert exact_non_inferiority(broke + 1, fixed, pairs, margin, alpha=0.05) >= found - 1e-9
    assert exact_non_inferiority(broke, fixed, pairs, margin, alpha=0.05, after_betting=True) >= found


@pytest.mark.parametrize(("broke", "fixed", "pairs"), [(30, 22, 700), (50, 45, 400), (6, 4, 200)])
def test_with_many_pairs_it_is_nearly_tangos(broke: int, fixed: int, pairs: int) -> None:
    exact = exact_non_inferiority(broke, fixed, pairs, 0.05, alpha=0.05)
    assert exact == pytest.approx(non_inferiority(broke, fixed, pairs, 0.05), abs=0.003)


@pytest.mark.parametrize(("margin", "alpha", "pairs"), [(0.05, 0.05, 59), (0.05, 0.1, 45), (0.1, 0.05, 29)])
def test_without_a_flip_it_takes_what_a_coin_takes(margin: float, alpha: float, pairs: int) -> None:
    assert pairs_for_no_flip(margin, alpha) == pairs_for_no_flip(margin, alpha, after_betting=True) == pairs
    assert (1 - margin) ** pairs <= alpha < (1 - margin) ** (pairs - 1)


@pytest.mark.parametrize("alpha", [0.0125, 0.05 / 9])
def test_smaller_levels_take_more_pairs_and_no_fewer_do(alpha: float) -> None:
    pairs = pairs_for_no_flip(0.05, alpha, after_betting=True)
    p_values = [exact_non_inferiority(0, 0, n, 0.05, alpha=alpha, after_betting=True) for n in (pairs - 1, pairs)]
    assert p_values[0] > alpha >= p_values[1]


def test_a_hundred_thousand_pairs_take_no_time_and_nothing_is_one() -> None:
    assert exact_non_inferiority(25_000, 21_000, 100_000, 0.05, alpha=0.05) < 0.001
    assert exact_non_inferiority(30_000, 21_000, 100_000, 0.05, alpha=0.05) > 0.9
    assert exact_non_inferiority(0, 0, 0, 0.05, alpha=0.05) == 1.0


@pytest.mark.parametrize("counts", [(-1, 0, 5), (3, 3, 5)])
def test_counts_that_cannot_be_are_refused(counts: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="no more than all"):
        exact_non_inferiority(*counts, 0.05, alpha=0.05)


@pytest.mark.parametrize("alpha", [0.0, 1.0, math.nan])
def test_a_level_that_is_none_shows_nothing(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha"):
        exact_non_inferiority(9, 0, 10, 0.05, alpha=alpha)
