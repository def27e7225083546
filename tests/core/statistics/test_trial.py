"""A whole trial: which verdict when, at every kind of stream."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable

import pytest

from promptops.core.statistics.metric import MetricPlan
from promptops.core.statistics.trial import Trial
from promptops.models import Verdict

RATE = MetricPlan("pass rate")
SCORE = MetricPlan("score", graded=True)


def run(trial: Trial, differences: Iterable[float | None]) -> Verdict | None:
    name = trial.primary.plan.name
    for difference in differences:
        trial.add({name: difference})
    return trial.verdict


@pytest.mark.parametrize(
    ("metric", "differences", "verdict", "seen"),
    [
        pytest.param(RATE, [0] * 400, "pass", 123, id="not one flip"),
        pytest.param(RATE, [0] * 59, "pass", 59, id="the fewest cases that can pass"),
        pytest.param(RATE, [0] * 58, "inconclusive", 58, id="one case less"),
        pytest.param(RATE, [-1] * 100, "regress", 11, id="all broke"),
        pytest.param(RATE, [1] * 100, "pass", 9, id="all fixed"),
        pytest.param(RATE, [0, 0, -1, 1] * 25, "inconclusive", 100, id="flips both ways"),
        pytest.param(RATE, [None] * 80, "unmeasurable", 80, id="an outage from end to end"),
        pytest.param(RATE, [0] * 60 + [None] * 20, "unmeasurable", 80, id="a quarter missing"),
        pytest.param(RATE, [0] * 98 + [None] * 2 + [0] * 50, "pass", 150, id="two of 150 missing"),
        pytest.param(RATE, [0] * 76 + [None] * 4, "inconclusive", 80, id="missing cases that could all be lost"),
        pytest.param(SCORE, [0.0] * 400, "pass", 123, id="scores, all equal"),
        pytest.param(SCORE, [-0.3] * 100, "regress", 11, id="scores, all lower"),
        pytest.param(SCORE, [-0.01, 0.01] * 100, "pass", 123, id="scores, a little noise"),
        pytest.param(SCORE, [-0.6, 0.6] * 20, "inconclusive", 40, id="scores, much noise"),
    ],
)
def test_the_verdict_of_a_stream(
    metric: MetricPlan, differences: list[float | None], verdict: Verdict, seen: int
) -> None:
    trial = Trial([metric], len(differences))
    assert (run(trial, differences), trial.seen) == (verdict, seen)


def test_there_is_no_verdict_before_there_is_one() -> None:
    trial = Trial([RATE], 100)
    assert trial.verdict is None
    assert run(trial, [0] * 99) is None


def test_what_comes_after_a_verdict_changes_nothing() -> None:
    trial = Trial([RATE], 100)
    run(trial, [-1] * 100)
    assert trial.seen == 11
    assert trial.primary.differences == [-1] * 11


def test_the_same_stream_gives_the_same_verdict_at_the_same_case() -> None:
    rng = random.Random(1)
    stream = [rng.choice((-0.5, 0.0, 0.0, 0.0, 0.25)) for _ in range(120)]
    first, again = (Trial([SCORE], 120, seed=3) for _ in range(2))
    assert run(first, stream) == run(again, stream)
    assert (first.seen, first.primary.worse[0].spent) == (again.seen, again.primary.worse[0].spent)


def test_missing_cases_that_arrive_later_only_help_a_pass() -> None:
    """Wherever a trial with holes passes, the same trial with any answer in the holes has passed too."""
    rng = random.Random(2)
    for _ in range(60):
        stream: list[float | None] = [rng.choice((0,) * 38 + (1, -1)) for _ in range(120)]
        holes = [None if rng.random() < 0.02 else d for d in stream]
        with_holes = Trial([RATE], 120)
        if run(with_holes, holes) == "pass":
            filled = Trial([RATE], 120)
            run(filled, [rng.choice((0, 1, -1)) if d is None else d for d in holes])
            assert filled.primary.passed


def test_missing_cases_are_no_evidence_of_a_regression() -> None:
    trial = Trial([RATE], 200)
    run(trial, [None if n % 2 else 0 for n in range(200)])
    assert trial.verdict == "unmeasurable"
    assert trial.primary.worse[0].spent == 0


def test_one_harmed_guardrail_is_a_regress_and_named() -> None:
    metrics = [RATE, *(MetricPlan(f"g{n}") for n in range(5))]
    trial = Trial(metrics, 200)
    while trial.verdict is None:
        trial.add({plan.name: -1 if plan.name == "g3" else 0 for plan in metrics})
    assert (trial.verdict, trial.worse) == ("regress", ("g3",))
    alone = Trial([RATE], 200)
    run(alone, [-1] * 200)
    assert trial.seen > alone.seen  # six metrics ask for more evidence of each


def test_every_deciding_metric_has_to_pass_and_the_others_need_not() -> None:
    rng = random.Random(3)
    noisy, watched = MetricPlan("noisy"), MetricPlan("noisy", deciding=False)
    for second, verdict in ((noisy, "inconclusive"), (watched, "pass")):
        trial = Trial([RATE, second], 100)
        for n in range(100):
            trial.add({"pass rate": 0, "noisy": rng.choice((1, -1)) if n % 2 else 0})
        assert trial.verdict == verdict


def test_improved_is_shown_by_a_test_of_its_own() -> None:
    """It is what had been shown when the trial ended: here another metric takes longer."""
    for every, improved in ((5, True), (1000, False)):
        trial, noise = Trial([RATE, MetricPlan("noisy")], 200), random.Random(1)
        for n in range(200):
            trial.add({"pass rate": 1 if n % every == 4 else 0, "noisy": noise.choice((0,) * 18 + (1, -1))})
        assert trial.improved == improved


def test_twenty_clusters_can_pass_and_nineteen_cannot() -> None:
    for clusters, verdict in ((200, "pass"), (19, "inconclusive")):
        trial = Trial([RATE], 2 * clusters, clusters=(2,) * clusters)
        assert run(trial, [0] * (2 * clusters)) == verdict
    assert Trial([RATE], 40, clusters=(2,) * 20).units.can_pass


def test_clusters_are_looked_at_when_they_are_complete() -> None:
    trial = Trial([RATE], 60, clusters=(3,) * 20)
    run(trial, [-1] * 60)
    assert trial.verdict == "regress"
    assert trial.seen % 3 == 0


def test_a_giant_cluster_decides_nothing_alone() -> None:
    trial = Trial([RATE], 140, clusters=(80, *(3,) * 20))
    assert run(trial, [-1] * 80 + [0] * 60) == "inconclusive"


def test_a_trial_for_another_candidate_starts_from_nothing() -> None:
    """Yesterday's passes are no evidence for today's candidate: without a case of its own there is no verdict."""
    yesterday = Trial([RATE], 200)
    run(yesterday, [0] * 200)
    today = Trial([RATE], 200)
    assert (yesterday.verdict, today.verdict) == ("pass", None)
    assert today.primary.betting.wealth == pytest.approx(1.0)


def test_the_test_at_full_n_waits_for_the_last_case() -> None:
    trial = Trial([RATE], 10)
    with pytest.raises(ValueError, match="every case is there"):
        trial.primary.at_full_n()


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="each its own name"):
        Trial([RATE, RATE], 10)
    with pytest.raises(ValueError, match="at least one metric"):
        Trial([], 10)
    with pytest.raises(ValueError, match="clusters of a trial"):
        Trial([RATE], 10, clusters=(4, 4))
    with pytest.raises(ValueError, match="each metric"):
        Trial([RATE], 10).add({"score": 0})


@pytest.mark.parametrize("strange", [math.nan, math.inf, -1.5, 0.5])
@pytest.mark.parametrize("clusters", [(), (2, 1)])
def test_what_is_no_difference_leaves_the_trial_as_it_was(strange: float, clusters: tuple[int, ...]) -> None:
    """In a cluster 1.5 and -1.5 would cancel out; of two metrics none has the case when one cannot take it."""
    trial = Trial([MetricPlan("score", graded=True), MetricPlan("pass rate")], 3, clusters=clusters)
    with pytest.raises(ValueError, match="difference"):
        trial.add({"score": 0.0, "pass rate": strange})
    assert (trial.seen, trial.primary.differences) == (0, [])
    assert [trial.add({"score": 0.0, "pass rate": 0.0}) for _ in range(3)][-1] == "inconclusive"
