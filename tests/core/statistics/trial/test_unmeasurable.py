"""UNMEASURABLE: all cases are in, nothing is shown, and so many were not measured that it is no statement."""

from __future__ import annotations

import pytest

from promptops.core.statistics.metric import MetricPlan
from promptops.core.statistics.trial import MOST_MISSING, Trial
from tests.core.statistics.trial.streams import COST, RATE, SCORE, run


@pytest.mark.parametrize(
    ("metric", "differences"),
    [
        pytest.param(RATE, [None], id="the only case"),
        pytest.param(RATE, [None] * 80, id="an outage from end to end"),
        pytest.param(RATE, [0] * 60 + [None] * 20, id="a quarter missing"),
        pytest.param(RATE, [None, 0] * 100, id="every second missing"),
        pytest.param(SCORE, [0.2, None] * 10, id="scores, every second missing"),
        pytest.param(COST, [None] * 40, id="costs that nobody knows"),
    ],
)
def test_it_is_said_at_the_last_case_and_not_before(metric: MetricPlan, differences: list[float | None]) -> None:
    trial = Trial([metric], len(differences))
    assert run(trial, differences[:-1]) is None
    assert (run(trial, differences[-1:]), trial.seen) == ("unmeasurable", len(differences))


def test_more_than_a_tenth_missing_is_it() -> None:
    assert MOST_MISSING == 0.1
    for missing, verdict in ((5, "inconclusive"), (6, "unmeasurable")):
        assert run(Trial([RATE], 50), [0] * (50 - missing) + [None] * missing) == verdict


def test_it_does_not_hide_a_regression() -> None:
    assert run(Trial([RATE], 100), [-1, None] * 50) == "regress"


def test_it_does_not_hide_a_pass_that_the_missing_could_not_undo() -> None:
    assert run(Trial([RATE], 100), [None] * 15 + [1] * 85) == "pass"


@pytest.mark.parametrize(("deciding", "verdict"), [(True, "unmeasurable"), (False, "pass")])
def test_a_metric_that_has_to_pass_makes_it_and_no_other(deciding: bool, verdict: str) -> None:
    trial = Trial([RATE, MetricPlan("judge", graded=True, deciding=deciding)], 100)
    for n in range(100):
        trial.add({"pass rate": 0, "judge": None if n % 5 == 0 else 0.0})
    assert trial.verdict == verdict


def test_answers_that_come_later_are_another_trial() -> None:
    trial = Trial([RATE], 20)
    run(trial, [None] * 20)
    assert run(trial, [0] * 200) == "unmeasurable"
    assert trial.seen == 20
