"""The sequential sign test: its level by enumeration of every path, and what it does at each kind of case."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from promptops.core.statistics.sign_test import SequentialSignTest
from promptops.core.statistics.spending import allowed_error


def chance_of_stopping(flips: tuple[bool, ...], cases: int, alpha: float) -> tuple[float, float]:
    """By enumeration of all signs: how often the test stops at all, and the error it says it has spent."""
    stopped = 0
    spent = 0.0
    for signs in itertools.product((-1, 1), repeat=sum(flips)):
        test, following = SequentialSignTest(cases, alpha), iter(signs)
        stopped += any(test.add(next(following) if flipped else 0) for flipped in flips)
        spent = test.spent if not test.stopped else spent
    return stopped / 2 ** sum(flips), spent


@pytest.mark.parametrize("alpha", [0.05, 0.2, 0.45])
@pytest.mark.parametrize("cases", [1, 2, 5, 9, 12])
def test_every_pattern_of_ties_keeps_the_level_exactly(cases: int, alpha: float) -> None:
    patterns = itertools.product((False, True), repeat=cases) if cases < 9 else _some_patterns(cases)
    for flips in patterns:
        level, spent = chance_of_stopping(flips, cases, alpha)
        assert level <= alpha
        assert level == pytest.approx(spent, abs=1e-12)


def _some_patterns(cases: int) -> list[tuple[bool, ...]]:
    rng = random.Random(5)
    return [tuple(rng.random() < 0.8 for _ in range(cases)) for _ in range(6)] + [(True,) * cases]


def test_a_random_number_of_flips_keeps_the_level_too() -> None:
    """The whole experiment, over which cases flip as well: a sum over all outcomes of all cases."""
    level = 0.0
    for path in itertools.product((-1, 0, 1), repeat=9):
        test = SequentialSignTest(9, 0.2)
        if any(test.add(d) for d in path):
            flips = sum(map(abs, path))
            level += 0.6**flips * 0.4 ** (9 - flips) / 2**flips
    assert 0.05 < level <= 0.2


def test_one_look_at_the_end_is_mcnemars_test() -> None:
    for broke, fixed in itertools.product(range(12), range(12)):
        test = SequentialSignTest(1, 0.05)
        test._alive = [float(p) for p in scipy_stats.binom.pmf(range(broke + fixed + 1), broke + fixed, 0.5)]
        test.broke, test.fixed = broke, fixed
        exact = scipy_stats.binomtest(broke, broke + fixed, alternative="greater").pvalue if broke + fixed else 1.0
        assert test.add(0) == (exact <= 0.05)


@given(st.lists(st.sampled_from([-1, 0, 1]), min_size=1, max_size=60), st.floats(0.001, 0.4))
def test_the_error_spent_never_exceeds_what_is_allowed(path: list[int], alpha: float) -> None:
    test = SequentialSignTest(len(path), alpha)
    for number, d in enumerate(path, start=1):
        if test.add(d):
            break
        assert test.spent <= allowed_error(alpha, number, len(path)) + 1e-15
        assert test.broke < test.boundary
        assert test.boundary > test.broke + test.fixed - test.boundary


def test_ties_alone_never_stop_it() -> None:
    test = SequentialSignTest(500, 0.05)
    assert not any(test.add(0) for _ in range(500))
    assert test.spent == 0.0


def test_a_candidate_that_only_mends_is_never_worse() -> None:
    test = SequentialSignTest(300, 0.4)
    assert not any(test.add(1) for _ in range(300))


def test_a_tie_can_end_it_because_the_error_grows_with_cases() -> None:
    test = SequentialSignTest(100, 0.05)
    for d in [-1] * 5:
        assert not test.add(d)
    stopped = next(number for number in range(6, 101) if test.add(0))
    assert test.stopped_at == stopped
    assert allowed_error(0.05, stopped, 100) >= 1 / 32 > allowed_error(0.05, stopped - 1, 100)


def test_what_comes_after_the_stop_changes_nothing() -> None:
    test = SequentialSignTest(20, 0.05)
    while not test.add(-1):
        pass
    before = (test.seen, test.broke, test.fixed, test.spent, test.stopped_at)
    for d in (1, 1, 0, -1):
        assert test.add(d)
    assert (test.seen, test.broke, test.fixed, test.spent, test.stopped_at) == before


def test_more_cases_than_planned_spend_no_more_than_alpha() -> None:
    rng, test = random.Random(3), SequentialSignTest(10, 0.05)
    for _ in range(300):
        test.add(rng.choice((-1, 1)))
    assert test.spent <= 0.05


@pytest.mark.parametrize("bad", [0.5, -2, 2, float("nan")])
def test_anything_but_a_sign_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="knows -1, 0 and 1"):
        SequentialSignTest(5, 0.05).add(bad)


@pytest.mark.parametrize(("cases", "alpha"), [(0, 0.05), (5, 0.0), (5, 0.5), (5, float("nan"))])
def test_a_plan_that_makes_no_sense_is_refused(cases: int, alpha: float) -> None:
    with pytest.raises(ValueError, match="at least one case"):
        SequentialSignTest(cases, alpha)


def test_spending_grows_with_the_square_and_ends_at_alpha() -> None:
    assert [allowed_error(0.04, n, 10) for n in (0, 5, 10, 20)] == pytest.approx([0.0, 0.01, 0.04, 0.04])
    with pytest.raises(ValueError, match="at least one case"):
        allowed_error(0.05, 1, 0)
