from __future__ import annotations

from promptops.providers.base import Limits
from promptops.providers.endpoint import Refusals


def test_two_refusals_that_want_more_than_anybody_waits_are_enough() -> None:
    refusals = Refusals(Limits(breaker=10))
    assert refusals.refused(3600.0, now=0.0) == 0
    assert refusals.refused(3600.0, now=0.1) == 2


def test_a_reply_between_two_of_them_gives_hope() -> None:
    refusals = Refusals(Limits(breaker=10))
    assert refusals.refused(3600.0, now=0.0) == 0
    refusals.answered()
    assert refusals.refused(3600.0, now=0.1) == 0


def test_a_limit_of_a_minute_is_waited_for() -> None:
    refusals = Refusals(Limits(breaker=5))
    assert [refusals.refused(wait, now=now) for now, wait in enumerate([None, 2.0, None, 60.0] * 25)] == [0] * 100


def test_nothing_but_refusals_for_two_minutes_are_no_limit_of_a_minute() -> None:
    refusals = Refusals(Limits(breaker=5))
    found = [refusals.refused(None, now=now) for now in (0.0, 30.0, 60.0, 119.0, 120.0, 150.0)]
    assert found == [0, 0, 0, 0, 5, 6]


def test_a_longer_patience_is_kept() -> None:
    refusals = Refusals(Limits(breaker=2, breaker_patience=600.0))
    assert [refusals.refused(None, now=now) for now in (0.0, 599.0, 600.0)] == [0, 0, 3]


def test_without_a_breaker_there_is_always_hope() -> None:
    refusals = Refusals(Limits(breaker=0))
    assert [refusals.refused(3600.0, now=1000.0 * n) for n in range(10)] == [0] * 10
