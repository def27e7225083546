from __future__ import annotations

import asyncio

from promptops.providers.pacing import Pacer


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def pacer(time: Time, rpm: int | None = None, tpm: int | None = None) -> Pacer:
    return Pacer(rpm, tpm, clock=lambda: time.now, sleep=time.sleep)


def test_without_limits_nothing_waits() -> None:
    time = Time()
    own = pacer(time)
    for _ in range(3):
        own.spend(10_000, since=asyncio.run(own.turn()))
    assert time.now == 100.0


def test_requests_start_in_even_steps() -> None:
    time = Time()
    own = pacer(time, rpm=30)
    assert [asyncio.run(own.turn()) for _ in range(3)] == [100.0, 102.0, 104.0]


def test_the_next_request_waits_until_the_tokens_are_paid_for() -> None:
    time = Time()
    own = pacer(time, tpm=600)
    own.spend(50, since=asyncio.run(own.turn()))
    assert asyncio.run(own.turn()) == 105.0


def test_a_request_slower_than_its_tokens_makes_nobody_wait() -> None:
    time = Time()
    own = pacer(time, tpm=600)
    started = asyncio.run(own.turn())
    time.now += 6.0
    own.spend(50, since=started)
    assert asyncio.run(own.turn()) == 106.0


def test_what_was_in_flight_together_is_added_up() -> None:
    time = Time()
    own = pacer(time, tpm=600)
    for started in [asyncio.run(own.turn()) for _ in range(4)]:
        own.spend(50, since=started)
    assert asyncio.run(own.turn()) == 120.0


def test_the_slower_of_both_limits_counts() -> None:
    time = Time()
    own = pacer(time, rpm=6, tpm=600)
    own.spend(50, since=asyncio.run(own.turn()))
    assert asyncio.run(own.turn()) == 110.0


def test_a_rate_limit_holds_all() -> None:
    time = Time()
    own = pacer(time)
    own.hold(7.0)
    assert asyncio.run(own.turn()) == 107.0
