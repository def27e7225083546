"""REGRESS: a critical metric is worse. It stops the trial at once, and nothing takes it back."""

from __future__ import annotations

import random

import pytest

from promptops.core.statistics.metric import MetricPlan
from promptops.core.statistics.trial import Trial
from tests.core.statistics.trial.streams import COST, RATE, SCORE, decided, run


@pytest.mark.parametrize(
    ("metric", "differences", "seen"),
    [
        pytest.param(RATE, [-1] * 100, 11, id="all broke"),
        pytest.param(RATE, [None] * 60 + [-1] * 40, 71, id="all that was measured broke"),
        pytest.param(RATE, [0, -1] * 50, 20, id="every second broke"),
        pytest.param(SCORE, [-0.3] * 100, 11, id="all scores are lower"),
        pytest.param(SCORE, [-1e-9] * 100, 11, id="all scores are lower by next to nothing"),
        pytest.param(COST, [-0.5] * 100, 11, id="all cost more than the limit"),
    ],
)
def test_it_is_said_at_the_case_that_shows_it(metric: MetricPlan, differences: list[float | None], seen: int) -> None:
    """By hand: k losses of k in n cases are rejected where 1 / 2^k is at most what is spent, .05 · (n / 100)²."""
    trial = Trial([metric], len(differences))
    assert (run(trial, differences), trial.seen, trial.worse) == ("regress", seen, (metric.name,))


def test_what_comes_after_it_changes_nothing() -> None:
    trial = Trial([RATE], 100)
    run(trial, [-1] * 11 + [1] * 89)
    assert (trial.verdict, trial.seen, trial.primary.differences) == ("regress", 11, [-1] * 11)


def test_nothing_that_was_not_measured_is_evidence_of_it() -> None:
    trial = Trial([RATE], 200)
    run(trial, [None if n % 2 else 0 for n in range(200)])
    assert trial.verdict != "regress"
    assert trial.primary.worse[0].spent == 0


def test_as_many_fixed_as_broke_is_none() -> None:
    assert run(Trial([RATE], 200), [-1, 1] * 100) == "inconclusive"


def test_one_harmed_guardrail_is_one_and_named() -> None:
    metrics = [RATE, *(MetricPlan(f"g{n}") for n in range(5))]
    trial = Trial(metrics, 200)
    assert decided(trial, {plan.name: -1 if plan.name == "g3" else 0 for plan in metrics}) == "regress"
    assert trial.worse == ("g3",)
    alone = Trial([RATE], 200)
    run(alone, [-1] * 200)
    assert trial.seen > alone.seen  # six metrics ask for more evidence of each


def test_metrics_that_are_harmed_together_are_named_together() -> None:
    """By Holm the second needs less evidence as soon as the first is rejected."""
    trial = Trial([RATE, MetricPlan("a"), MetricPlan("b")], 200)
    assert decided(trial, {"pass rate": 0, "a": -1, "b": -1}) == "regress"
    assert trial.worse == ("a", "b")


def test_a_metric_that_is_not_critical_warns_and_decides_nothing() -> None:
    trial = Trial([RATE, MetricPlan("length", critical=False)], 150)
    for _ in range(50):
        trial.add({"pass rate": 0, "length": -1})
    assert (trial.verdict, trial.worse, trial.warned) == (None, (), ("length",))
    assert decided(trial, {"pass rate": 0, "length": -1}) == "pass"


def test_clusters_are_looked_at_when_they_are_complete() -> None:
    trial = Trial([RATE], 60, clusters=(3,) * 20)
    run(trial, [-1] * 60)
    assert trial.verdict == "regress"
    assert trial.seen % 3 == 0


def test_nineteen_clusters_are_enough_for_it() -> None:
    """Sign flips over clusters need no more than a few, a PASS twenty."""
    assert run(Trial([RATE], 38, clusters=(2,) * 19), [-1] * 38) == "regress"


def test_an_equal_candidate_is_hardly_ever_one() -> None:
    rng, worse = random.Random(6), 0
    for _ in range(300):
        worse += run(Trial([RATE], 60), [rng.choice((0, 0, 0, 0, 1, -1)) for _ in range(60)]) == "regress"
    assert worse <= 24  # 15 are allowed on average
