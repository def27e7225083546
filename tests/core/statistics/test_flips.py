"""Sequential sign flips: the level by simulation and by symmetry, ties, clusters, outliers; one seed, one result."""

from __future__ import annotations

import itertools
import random

import pytest
from scipy import stats as scipy_stats

from promptops.core.statistics.flips import SequentialFlips, sign_flip_test
from promptops.core.statistics.sign_test import SequentialSignTest
from promptops.core.statistics.spending import allowed_error


def stops(path: list[float], seed: int, *, alpha: float = 0.05, draws: int = 199) -> bool:
    test = SequentialFlips(len(path), alpha, seed=seed, draws=draws)
    return any(test.add(d) for d in path)


@pytest.mark.parametrize("draws", [19, 99, 999])
def test_every_sign_of_the_same_differences_is_stopped_rarely_enough(draws: int) -> None:
    """All 2^7 signs of seven graded differences, ties among them, each with draws of its own."""
    sizes = [0.5, 0.5, 0.25, 1.0, 0.0, 0.75, 0.1, 0.1]
    rates = []
    for seed in range(12):
        paths = itertools.product(*[(size, -size) if size else (0.0,) for size in sizes])
        rates.append([stops(list(path), 1000 * seed + n, alpha=0.2, draws=draws) for n, path in enumerate(paths)])
    level = sum(map(sum, rates)) / sum(map(len, rates))
    assert 0.05 < level <= 0.2 + 3 * (0.2 * 0.8 / (12 * 128)) ** 0.5


@pytest.mark.parametrize(
    "differences",
    [
        pytest.param([0.0] * 30, id="constants"),
        pytest.param([1.0] * 30, id="only better"),
        pytest.param([-0.001] * 3 + [0.0] * 27, id="three tiny losses"),
    ],
)
def test_what_shows_nothing_never_stops_it(differences: list[float]) -> None:
    assert not stops(differences, 1)


def test_rare_large_losses_are_no_alarm_beyond_alpha() -> None:
    """A gain nearly always and now and then a large loss, as likely the other way round: |d| is held fixed."""
    rng, alarms = random.Random(11), 0
    for seed in range(400):
        sizes = [1.0 if rng.random() < 0.02 else 0.01 for _ in range(60)]
        alarms += stops([rng.choice((-1, 1)) * size for size in sizes], seed)
    assert alarms <= scipy_stats.binom.ppf(0.999, 400, 0.05)


def test_a_giant_cluster_cannot_raise_an_alarm_alone() -> None:
    test = SequentialFlips(100, 0.05, seed=1, draws=999)
    assert not test.add(-80.0, cases=80)
    assert not any(test.add(0.0) for _ in range(20))


def test_clusters_flip_as_one() -> None:
    """Twenty clusters that each lost one case of ten stop it; ten times as many cases in two clusters do not."""
    many, few = (SequentialFlips(200, 0.05, seed=1, draws=999) for _ in range(2))
    assert any(many.add(-1.0, cases=10) for _ in range(20))
    assert not any(few.add(-100.0, cases=100) for _ in range(2))


def test_signs_are_decided_about_as_the_exact_test_does() -> None:
    rng, agreed = random.Random(2), 0
    for seed in range(60):
        path = [rng.choice((-1, -1, 0, 0, 0, 0, 1)) for _ in range(80)]
        exact = SequentialSignTest(len(path), 0.05)
        agreed += any(exact.add(d) for d in path) == stops([float(d) for d in path], seed, draws=1999)
    assert agreed >= 55


def test_one_look_agrees_with_scipys_permutation_test() -> None:
    """A cluster of everything but a case of nothing at the end: all error is spent at the last look."""
    rng = random.Random(4)
    for shift, level in ((-0.05, 0.2), (-0.15, 0.05), (-0.3, 0.02)):
        differences = [round(rng.gauss(shift, 0.2), 2) for _ in range(12)]
        exact = scipy_stats.permutation_test(
            (differences,), lambda x, axis: x.sum(axis), permutation_type="samples", alternative="less", vectorized=True
        ).pvalue
        for alpha in (exact * 0.7, exact * 1.4):
            if alpha < 0.5:
                test = SequentialFlips(12_000, alpha, seed=3, draws=9_999)
                for difference in differences:
                    test.add(difference)  # so early that next to nothing may be spent
                assert not test.stopped or exact < level
                assert test.add(0.0, cases=11_988) == (alpha > exact)


def test_the_test_of_one_look_agrees_with_scipys_permutation_test() -> None:
    rng = random.Random(4)
    differences = [round(rng.gauss(-0.05, 0.2), 2) for _ in range(12)]
    exact = scipy_stats.permutation_test(
        (differences,), lambda x, axis: x.sum(axis), permutation_type="samples", alternative="less", vectorized=True
    ).pvalue
    assert sign_flip_test(differences, seed=3) == pytest.approx(exact, abs=0.015)
    assert sign_flip_test([], seed=3) == 1.0
    assert sign_flip_test([0.0] * 9, seed=3) == 1.0
    assert sign_flip_test([-0.5, -0.25, 0.125, -0.25, -0.75], seed=1, draws=999) == pytest.approx(0.063, abs=1e-9)


def test_the_same_seed_decides_the_same_and_the_raw_stream_is_pinned() -> None:
    path = [-0.3, 0.2, -0.5, 0.0, -0.1] * 6
    tests = [SequentialFlips(30, 0.05, seed=7, draws=499) for _ in range(2)]
    for test in tests:
        for d in path:
            test.add(d)
    assert (tests[0].stopped_at, tests[0].spent, tests[0].total) == (
        tests[1].stopped_at,
        tests[1].spent,
        tests[1].total,
    )
    assert tests[0].stopped_at == 20


def test_what_comes_after_the_stop_changes_nothing() -> None:
    test = SequentialFlips(20, 0.05, seed=1, draws=999)
    while not test.add(-1.0):
        pass
    before = (test.seen, test.total, test.spent)
    assert test.add(1.0)
    assert (test.seen, test.total, test.spent) == before


def test_what_the_last_look_stopped_is_error_that_was_spent() -> None:
    test = SequentialFlips(20, 0.05, seed=1, draws=999)
    while not test.add(-1.0):
        assert test.spent == 0
    assert 0 < test.spent <= allowed_error(0.05, test.seen, 20)


@pytest.mark.parametrize(("difference", "cases"), [(1.5, 1), (-2.5, 2), (float("nan"), 1)])
def test_a_difference_beyond_its_bounds_is_refused(difference: float, cases: int) -> None:
    with pytest.raises(ValueError, match="lies in"):
        SequentialFlips(5, 0.05, seed=1).add(difference, cases=cases)


def test_a_plan_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one case"):
        SequentialFlips(0, 0.05, seed=1)
