"""Metrics without bounds: the typical case, by signs alone."""

from __future__ import annotations

import math
import random
from statistics import median

import pytest
from scipy.stats import binomtest

from promptops.core.statistics.betting import BettingTest, betting_interval, typical_interval
from promptops.core.statistics.metric import MetricPlan, MetricTest, Units
from promptops.core.statistics.sign_test import SequentialSignTest
from promptops.core.statistics.trial import Trial
from promptops.core.stats import fair_coin_tail

COST = MetricPlan("cost", typical=True)
RATE = MetricPlan("pass rate")


def heavy(rng: random.Random) -> float:
    """A cost that is now and then a million times as large."""
    return rng.lognormvariate(0, 0.3) * (1e6 if rng.random() < 0.02 else 1.0)


def alarms(rooms: int, cases: int, draw: object, plan: MetricPlan = COST, clusters: tuple[int, ...] = ()) -> int:
    rng, count = random.Random(7), 0
    for _ in range(rooms):
        trial = Trial([plan], cases, clusters=clusters)
        while trial.verdict is None:
            trial.add({plan.name: draw(rng)})  # type: ignore[operator]
        count += trial.verdict == "regress"
    return count


@pytest.mark.parametrize("margin", [0.0, 0.1])
def test_equal_versions_with_rare_enormous_costs_are_called_worse_at_most_alpha_of_the_time(margin: float) -> None:
    count = alarms(400, 80, lambda rng: heavy(rng) * (1 + margin) - heavy(rng))
    assert binomtest(count, 400, 0.05, alternative="greater").pvalue > 0.001


def test_a_candidate_beyond_its_margin_in_most_cases_passes_at_most_alpha_of_the_time() -> None:
    """Half of the cases are beyond the margin, by chance: the edge of the hypothesis."""
    rng, passed = random.Random(5), 0
    for _ in range(600):
        test = MetricTest(COST, Units(80), (0.05,), alpha=0.05, seed=1)
        for _ in range(80):
            test.add(rng.choice((-1e9, 0.001)))
        test.finish()
        passed += test.passed is not None
    assert binomtest(passed, 600, 0.05, alternative="greater").pvalue > 0.001


@pytest.mark.parametrize(
    ("rooms", "verdict", "seen"),
    [
        pytest.param([0.0] * 100, "pass", 9, id="just at the limit, always"),
        pytest.param([-1e-9] * 100, "regress", 11, id="just beyond it, always"),
        pytest.param([5.0, 5.0, -1e12] * 40, "pass", None, id="enormous in a third of the cases: not the typical one"),
        pytest.param([1.0, -1.0] * 50, "inconclusive", 100, id="half of them"),
        pytest.param([None] * 50, "unmeasurable", 50, id="no price"),
    ],
)
def test_only_which_side_of_the_limit_counts(rooms: list[float | None], verdict: str, seen: int | None) -> None:
    trial = Trial([COST], len(rooms))
    for room in rooms:
        trial.add({"cost": room})
    assert trial.verdict == verdict
    assert seen in (None, trial.seen)


def test_a_cluster_has_one_sign() -> None:
    """Twenty clusters of five: one hundred cases beyond the limit are twenty."""
    trial = Trial([COST], 100, clusters=(5,) * 20)
    for _ in range(100):
        trial.add({"cost": -1.0})
    test = trial.primary.worse[0]
    assert isinstance(test, SequentialSignTest)
    assert (test.broke, test.seen) == (trial.seen // 5, trial.seen)
    assert trial.verdict == "regress"


def test_a_cluster_that_was_not_measured_whole_is_lost_for_a_pass() -> None:
    whole, holes = (MetricTest(COST, Units(100, (5,) * 20), (0.05,), alpha=0.05, seed=1) for _ in range(2))
    for number in range(100):
        whole.add(1.0)
        holes.add(None if number % 5 == 0 else 1.0)
    assert whole.at_full_n() == pytest.approx(0.5**20 / 0.8)
    assert holes.at_full_n() == 1.0


def test_the_sign_test_at_full_n_is_the_binomial_one() -> None:
    for heads, tosses in ((0, 7), (5, 7), (7, 7), (60, 100), (900, 1700)):
        assert fair_coin_tail(heads, tosses) == pytest.approx(
            binomtest(heads, tosses, 0.5, alternative="greater").pvalue, rel=1e-9
        )
    assert fair_coin_tail(0, 0) == 1.0


def test_the_interval_of_a_median_covers_it_however_often_one_looks() -> None:
    rng, missed = random.Random(11), 0
    for _ in range(200):
        values: list[float] = []
        outside = False
        for _ in range(60):
            values.append(heavy(rng))  # its median is that of lognormvariate(0, .3) but for the 2 %, just above 1
            low, high = typical_interval(values)
            outside = outside or not low <= 1.0077 <= high
        missed += outside
    assert binomtest(missed, 200, 0.05, alternative="greater").pvalue > 0.001


def test_the_interval_of_a_median_narrows_and_holds_the_middle() -> None:
    assert typical_interval([1.0, 2.0, 3.0]) == (-math.inf, math.inf)
    values = [random.Random(1).random() for _ in range(5)] + [float(number) for number in range(200)]
    low, high = typical_interval(values)
    assert 50 < low < median(values) < high < 150
    assert typical_interval(values[::-1]) == (low, high)


def test_an_interval_of_clusters_is_wider_than_that_of_as_many_single_cases() -> None:
    clustered = betting_interval([0.1, -0.1] * 20, weights=[1.0] * 40)
    single = betting_interval([0.1, -0.1] * 100)
    assert clustered[1] - clustered[0] > single[1] - single[0]
    uneven = betting_interval([0.5] + [0.0] * 60, weights=[1.0] + [0.1] * 60)
    assert uneven[0] < 0.5 / 7 < uneven[1]


def test_what_warns_spends_nothing_of_what_decides() -> None:
    """Ten metrics that warn, and one that decides: it has its alpha for itself, and its verdict falls when it would."""
    warning = [MetricPlan(f"w{number}", critical=False) for number in range(10)]
    alone, among = Trial([RATE], 100), Trial([RATE, *warning], 100)
    for _ in range(100):
        alone.add({"pass rate": -1})
        among.add({"pass rate": -1, **{plan.name: 0 for plan in warning}})
    assert (alone.verdict, alone.seen) == (among.verdict, among.seen) == ("regress", 11)


def test_a_metric_that_warns_never_stops_and_never_holds_up() -> None:
    trial = Trial([RATE, MetricPlan("tokens", typical=True, critical=False)], 59)
    for _ in range(59):
        trial.add({"pass rate": 0, "tokens": -5.0})
    assert (trial.verdict, trial.worse, trial.warned) == ("pass", (), ("tokens",))


def test_a_critical_metric_that_nobody_could_measure_is_never_a_pass() -> None:
    trial = Trial([RATE, COST], 100)
    for _ in range(100):
        trial.add({"pass rate": 0, "cost": None})
    assert trial.verdict == "unmeasurable"


def test_a_margin_of_nothing_can_be_bet_against() -> None:
    test = BettingTest(0.0, 0.05)
    assert not any(test.add((-1) ** number) for number in range(400))
    with pytest.raises(ValueError, match="between 0 and 1"):
        BettingTest(-0.1, 0.05)
