"""Open: no verdict yet. It ends with one, at the last case at the latest."""

from __future__ import annotations

import math
import random

import pytest

from promptops.core.statistics.metric import MetricPlan
from promptops.core.statistics.trial import Trial
from tests.core.statistics.trial.streams import RATE, SCORE, run


def test_it_is_open_before_the_first_case_and_before_the_last() -> None:
    trial = Trial([RATE], 100)
    assert (trial.verdict, trial.seen) == (None, 0)
    assert (run(trial, [0] * 99), trial.seen) == (None, 99)


def test_cases_without_a_measurement_leave_it_open() -> None:
    trial = Trial([RATE], 100)
    assert run(trial, [None] * 99) is None
    assert trial.missing == 99


def test_whatever_comes_the_last_case_ends_it() -> None:
    rng = random.Random(4)
    for _ in range(100):
        trial = Trial([RATE], 30)
        assert run(trial, [rng.choice((-1, 0, 1, None)) for _ in range(30)]) is not None


def test_another_candidate_starts_from_nothing() -> None:
    """Yesterday's passes are no evidence for today's candidate: without a case of its own there is no verdict."""
    yesterday = Trial([RATE], 200)
    run(yesterday, [0] * 200)
    today = Trial([RATE], 200)
    assert (yesterday.verdict, today.verdict) == ("pass", None)
    assert today.primary.betting.wealth == pytest.approx(1.0)


def test_the_same_stream_gives_the_same_verdict_at_the_same_case() -> None:
    rng = random.Random(1)
    stream = [rng.choice((-0.5, 0.0, 0.0, 0.0, 0.25)) for _ in range(120)]
    first, again = (Trial([SCORE], 120, seed=3) for _ in range(2))
    assert run(first, stream) == run(again, stream)
    assert (first.seen, first.primary.worse[0].spent) == (again.seen, again.primary.worse[0].spent)


def test_the_test_at_full_n_waits_for_the_last_case() -> None:
    trial = Trial([RATE], 10)
    with pytest.raises(ValueError, match="every case is there"):
        trial.primary.at_full_n()


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="each its own name"):
        Trial([RATE, RATE], 10)
    with pytest.raises(ValueError, match="at least one metric"):
        Trial([], 10)
    with pytest.raises(ValueError, match="the first of them critical"):
        Trial([MetricPlan("pass rate", critical=False)], 10)
    with pytest.raises(ValueError, match="clusters of a trial"):
        Trial([RATE], 10, clusters=(4, 4))
    with pytest.raises(ValueError, match="each metric"):
        Trial([RATE], 10).add({"score": 0})


@pytest.mark.parametrize("strange", [math.nan, math.inf, -1.5, 0.5])
@pytest.mark.parametrize("clusters", [(), (2, 1)])
def test_what_is_no_difference_leaves_it_as_it_was(strange: float, clusters: tuple[int, ...]) -> None:
    """In a cluster 1.5 and -1.5 would cancel out; of two metrics none has the case when one cannot take it."""
    trial = Trial([MetricPlan("score", graded=True), MetricPlan("pass rate")], 3, clusters=clusters)
    with pytest.raises(ValueError, match="difference"):
        trial.add({"score": 0.0, "pass rate": strange})
    assert (trial.seen, trial.primary.differences) == (0, [])
    assert [trial.add({"score": 0.0, "pass rate": 0.0}) for _ in range(3)][-1] == "inconclusive"
