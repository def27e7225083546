"""PASS: every deciding metric is shown to be not worse by its margin, at any time or when all cases are in."""

from __future__ import annotations

import random

import pytest

from promptops.core.statistics.metric import MetricPlan, Passing
from promptops.core.statistics.trial import Trial
from tests.core.statistics.trial.streams import COST, RATE, SCORE, decided, run


@pytest.mark.parametrize(
    ("metric", "differences", "seen", "passed"),
    [
        pytest.param(RATE, [0] * 400, 123, "at any time", id="not one flip"),
        pytest.param(RATE, [0] * 59, 59, "at full N", id="the fewest cases without a flip"),
        pytest.param(RATE, [1] * 100, 9, "at any time", id="all fixed"),
        pytest.param(RATE, [0] * 98 + [None] * 2 + [0] * 50, 150, "at full N", id="two of 150 missing"),
        pytest.param(SCORE, [0.0] * 400, 123, "at any time", id="scores, all equal"),
        pytest.param(SCORE, [-0.01, 0.01] * 100, 123, "at any time", id="scores, a little noise"),
        pytest.param(COST, [0.1] * 100, 9, "at any time", id="all cost less than the limit"),
        pytest.param(COST, [0.0] * 6, 6, "at full N", id="the fewest cases that are at the limit"),
    ],
)
def test_it_is_said_at_the_case_that_shows_it(
    metric: MetricPlan, differences: list[float | None], seen: int, passed: Passing
) -> None:
    trial = Trial([metric], len(differences))
    assert (run(trial, differences), trial.seen, trial.primary.passed) == ("pass", seen, passed)


def test_what_comes_after_it_changes_nothing() -> None:
    trial = Trial([RATE], 400)
    assert (run(trial, [1] * 9 + [-1] * 391), trial.seen) == ("pass", 9)


def test_every_deciding_metric_has_to_pass_and_the_others_need_not() -> None:
    noisy, watched = MetricPlan("noisy"), MetricPlan("noisy", deciding=False)
    for second, verdict in ((noisy, "inconclusive"), (watched, "pass")):
        trial, rng = Trial([RATE, second], 100), random.Random(3)
        for n in range(100):
            trial.add({"pass rate": 0, "noisy": rng.choice((1, -1)) if n % 2 else 0})
        assert trial.verdict == verdict


def test_it_waits_for_the_metric_that_takes_longest() -> None:
    trial = Trial([RATE, MetricPlan("wide", margin=0.5)], 400)
    assert decided(trial, {"pass rate": 0, "wide": 0}) == "pass"
    assert trial.seen == 123
    assert trial.metrics["wide"].passed == "at any time"


def test_a_later_attempt_has_to_show_more() -> None:
    first, second = (Trial([RATE], 400, pass_alpha=alpha) for alpha in (0.05, 0.0125))
    assert (run(first, [0] * 400), run(second, [0] * 400)) == ("pass", "pass")
    assert second.seen > first.seen


def test_improved_is_shown_by_a_test_of_its_own() -> None:
    """It is what had been shown when the trial ended: here another metric takes longer."""
    for every, improved in ((5, True), (1000, False)):
        trial, noise = Trial([RATE, MetricPlan("noisy")], 200), random.Random(1)
        for n in range(200):
            trial.add({"pass rate": 1 if n % every == 4 else 0, "noisy": noise.choice((0,) * 18 + (1, -1))})
        assert trial.improved == improved


def test_what_was_missing_and_comes_in_later_only_helps() -> None:
    """Wherever a trial with holes passes, the same trial with any answer in the holes has passed too."""
    rng = random.Random(2)
    passed = 0
    for _ in range(60):
        stream: list[float | None] = [rng.choice((0,) * 38 + (1, -1)) for _ in range(120)]
        holes = [None if rng.random() < 0.02 else d for d in stream]
        with_holes = Trial([RATE], 120)
        if run(with_holes, holes) == "pass":
            passed += 1
            filled = Trial([RATE], 120)
            run(filled, [rng.choice((0, 1, -1)) if d is None else d for d in holes])
            assert filled.primary.passed
    assert passed >= 5


def test_twenty_clusters_are_the_fewest() -> None:
    for clusters, verdict in ((200, "pass"), (19, "inconclusive")):
        trial = Trial([RATE], 2 * clusters, clusters=(2,) * clusters)
        assert run(trial, [0] * (2 * clusters)) == verdict
    assert Trial([RATE], 40, clusters=(2,) * 20).units.can_pass


def test_a_candidate_that_is_worse_by_the_margin_hardly_ever_does() -> None:
    rng, passed = random.Random(7), 0
    for _ in range(300):
        passed += run(Trial([RATE], 60), [rng.choice((0,) * 17 + (-1, -1, 1)) for _ in range(60)]) == "pass"
    assert passed <= 24  # 15 are allowed on average
