"""INCONCLUSIVE: all cases are in, enough of them measured, and neither "worse" nor "not worse" is shown."""

from __future__ import annotations

import pytest

from promptops.core.statistics.metric import MetricPlan
from promptops.core.statistics.trial import Trial
from tests.core.statistics.trial.streams import COST, RATE, SCORE, run


@pytest.mark.parametrize(
    ("metric", "differences"),
    [
        pytest.param(RATE, [0] * 58, id="one case too few"),
        pytest.param(RATE, [0], id="a single case"),
        pytest.param(RATE, [-1] * 4, id="all broke, and too few to show it"),
        pytest.param(RATE, [0, 0, -1, 1] * 25, id="flips both ways"),
        pytest.param(RATE, [0] * 76 + [None] * 4, id="missing cases that could all be lost"),
        pytest.param(SCORE, [-0.6, 0.6] * 20, id="scores, much noise"),
        pytest.param(COST, [-0.1, 0.1] * 50, id="as often beyond the limit as within"),
    ],
)
def test_it_is_said_at_the_last_case_and_not_before(metric: MetricPlan, differences: list[float | None]) -> None:
    trial = Trial([metric], len(differences))
    assert run(trial, differences[:-1]) is None
    assert (run(trial, differences[-1:]), trial.seen) == ("inconclusive", len(differences))
    assert (trial.worse, trial.primary.passed) == ((), None)


def test_a_tenth_missing_is_still_it() -> None:
    assert run(Trial([RATE], 50), [0] * 45 + [None] * 5) == "inconclusive"


def test_one_deciding_metric_that_did_not_pass_is_enough_for_it() -> None:
    trial = Trial([RATE, MetricPlan("judge", graded=True)], 100)
    for n in range(100):
        trial.add({"pass rate": 0, "judge": 0.9 if n % 2 else -0.9})
    assert trial.verdict == "inconclusive"
    assert [metric.passed for metric in trial.deciding] == ["at full N", None]


def test_a_giant_cluster_decides_nothing_alone() -> None:
    trial = Trial([RATE], 140, clusters=(80, *(3,) * 20))
    assert run(trial, [-1] * 80 + [0] * 60) == "inconclusive"


def test_more_cases_do_not_take_it_back() -> None:
    """What was planned is fixed before the first case: asking on is another trial."""
    trial = Trial([RATE], 58)
    run(trial, [0] * 100)
    assert (trial.verdict, trial.seen) == ("inconclusive", 58)
