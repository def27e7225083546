from __future__ import annotations

import pytest

from promptops.models import Attempt, Failure, Reply, Sample, SampleKey
from promptops.runner.journal import Resumed
from promptops.runner.tally import Tally

KEY = SampleKey("p", "v1", "a/b", "c1", 0)
REPLY = Reply("x")


def tally(*samples: Sample, planned: int | None = 40, seconds: float = 10.0) -> Tally:
    moments = iter([0.0, seconds])
    counted = Tally(planned, clock=lambda: next(moments))
    for sample in samples:
        counted.count(sample)
    return counted


def attempts(*failures: str | None) -> tuple[Attempt, ...]:
    return tuple(Attempt("a", 0.0, 0.1, failure) for failure in failures)  # type: ignore[arg-type]


def test_samples_are_counted_by_where_they_came_from() -> None:
    counted = tally(
        *[Sample(KEY, "", REPLY, cost=0.5)] * 4,
        *[Sample(KEY, "", REPLY, source="recorded", cost=0.5)] * 3,
        *[Sample(KEY, "", REPLY, source="cached", cost=0.5)] * 2,
        Sample(KEY, "", failure=Failure("timeout", "late")),
    )
    assert (counted.asked, counted.recorded, counted.cached, counted.failed) == (4, 3, 2, 1)
    assert counted.cost == 2.0, "what was recorded or copied costs nothing now"
    progress = counted.progress()
    assert (progress.done, progress.planned, progress.failures) == (10, 40, {"timeout": 1})
    assert progress.rate == pytest.approx(0.5)
    assert progress.eta == pytest.approx(60.0)


def test_what_an_earlier_process_asked_cost_money_and_no_time() -> None:
    counted = tally(
        *[Resumed(KEY, "", REPLY, cost=0.5)] * 30,
        Resumed(KEY, "", REPLY, source="cached"),
        Sample(KEY, "", REPLY, cost=0.5),
    )
    assert (counted.asked, counted.resumed, counted.cached, counted.cost) == (1, 31, 0, 15.5)
    progress = counted.progress()
    assert (progress.done, progress.resumed, progress.rate, progress.eta) == (32, 31, 0.1, 80.0)


def test_failed_attempts_that_were_followed_by_another_are_retries() -> None:
    counted = tally(
        Sample(KEY, "", REPLY, attempts=attempts("rate_limit", "server", None)),
        Sample(KEY, "", failure=Failure("server", "x"), attempts=attempts("rate_limit", "server")),
    )
    assert counted.progress().retries == {"rate_limit": 2, "server": 1}


def test_one_unknown_price_makes_the_cost_unknown() -> None:
    assert tally(Sample(KEY, "", REPLY, cost=0.5), Sample(KEY, "", REPLY)).progress().cost is None


@pytest.mark.parametrize("planned", [None, 40])
def test_before_anything_was_asked_nobody_knows_when_it_ends(planned: int | None) -> None:
    progress = tally(planned=planned).progress()
    assert (progress.done, progress.planned, progress.rate, progress.eta) == (0, planned, 0.0, None)


def test_more_samples_than_were_planned_are_no_surprise() -> None:
    progress = tally(*[Sample(KEY, "", REPLY)] * 3, planned=2).progress()
    assert (progress.done, progress.planned, progress.eta) == (3, 3, 0.0)
