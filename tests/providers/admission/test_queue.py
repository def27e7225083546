from __future__ import annotations

import asyncio
from typing import Any

import pytest

from promptops.config import ModelLimits
from promptops.errors import StoreError
from promptops.providers.admission import Admission, Outcome, Ticket
from promptops.providers.base import Limits
from promptops.providers.ledger import LocalLedger
from tests.providers.virtual import now, run


def admission(ledger: LocalLedger | None = None, **limits: Any) -> Admission:
    """One at the running loop's clock."""
    return Admission(Limits(**limits), bucket="acme", ledger=ledger or LocalLedger(now), clock=now)


async def ask(own: Admission, name: str, log: list[str], *, seconds: float = 1.0, urgent: bool = False) -> None:
    ticket = await own.enter(model="m", tokens=10, urgent=urgent)
    log.append(name)
    await asyncio.sleep(seconds)
    own.leave(ticket, Outcome(None, seconds, tokens=10))


def test_no_more_than_the_configured_number_are_in_flight_and_all_get_their_turn_in_order() -> None:
    async def scenario() -> None:
        own, log = admission(concurrency=2), list[str]()
        started = now()
        await asyncio.gather(*(ask(own, str(index), log) for index in range(5)))
        assert log == ["0", "1", "2", "3", "4"]
        assert now() - started == pytest.approx(3.0)
        assert own.snapshot().in_flight == 0

    run(scenario())


def test_who_was_refused_before_goes_first() -> None:
    async def scenario() -> None:
        own, log = admission(concurrency=1), list[str]()
        others = [asyncio.create_task(ask(own, name, log)) for name in "abc"]
        await asyncio.sleep(0.5)
        await ask(own, "again", log, urgent=True)
        await asyncio.gather(*others)
        assert log == ["a", "again", "b", "c"]

    run(scenario())


def test_a_place_is_not_lost_by_who_is_cancelled_in_the_queue_or_at_its_turn() -> None:
    async def scenario() -> None:
        own, log = admission(concurrency=1), list[str]()
        first = await own.enter(model="m", tokens=1)
        waiting = [asyncio.create_task(ask(own, name, log)) for name in "abc"]
        await asyncio.sleep(0.1)
        waiting[1].cancel()
        own.leave(first, None)  # the turn of a has come, and before it runs, it is cancelled
        waiting[0].cancel()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(result).__name__ for result in results] == ["CancelledError", "CancelledError", "NoneType"]
        assert log == ["c"]
        assert own.snapshot().in_flight == 0

    run(scenario())


def test_sixty_cases_under_a_limit_of_500_a_minute_go_at_full_speed() -> None:
    async def scenario() -> None:
        own, log = admission(concurrency=20, rpm=500), list[str]()
        started = now()
        await asyncio.gather(*(ask(own, str(index), log, seconds=0.1) for index in range(60)))
        assert now() - started == pytest.approx(0.3)

    run(scenario())


def test_a_minute_has_no_more_requests_than_configured() -> None:
    async def scenario() -> None:
        own, log = admission(concurrency=5, rpm=10), list[str]()
        started = now()
        await asyncio.gather(*(ask(own, str(index), log, seconds=0.1) for index in range(21)))
        assert now() - started == pytest.approx(122.1, abs=0.2)

    run(scenario())


def test_tokens_are_reserved_before_sending_and_settled_afterwards() -> None:
    async def scenario() -> None:
        own = admission(concurrency=5, tpm=100)
        tickets = [await own.enter(model="m", tokens=40) for _ in range(2)]
        third = asyncio.create_task(own.enter(model="m", tokens=40))
        await asyncio.sleep(1)
        assert not third.done()
        assert own.snapshot().why == "tokens a minute"
        own.leave(tickets[0], Outcome(None, 1.0, tokens=5))
        await asyncio.sleep(1)
        assert third.done()

    run(scenario())


def test_a_model_with_limits_of_its_own_does_not_hold_up_the_others() -> None:
    async def scenario() -> None:
        own = admission(concurrency=4, models={"slow": ModelLimits(concurrency=1)})
        await own.enter(model="slow", tokens=1)
        second = asyncio.create_task(own.enter(model="slow", tokens=1))
        await asyncio.sleep(0)
        ticket = await asyncio.wait_for(own.enter(model="quick", tokens=1), 0.01)
        assert isinstance(ticket, Ticket)
        assert not second.done()
        second.cancel()

    run(scenario())


class Broken(LocalLedger):
    """Works until it is told not to."""

    fails = False

    def places(self, bucket: str, *, limit: int, using: int, wanted: int) -> int:
        if self.fails:
            raise StoreError("the disk is full")
        return super().places(bucket, limit=limit, using=using, wanted=wanted)


def test_a_ledger_that_fails_is_told_to_everybody_who_waits_and_hangs_nobody() -> None:
    async def scenario() -> None:
        ledger = Broken(now)
        own = admission(ledger, concurrency=1)
        ticket = await own.enter(model="m", tokens=1)
        waiting = [asyncio.create_task(own.enter(model="m", tokens=1)) for _ in range(3)]
        await asyncio.sleep(0.01)
        ledger.fails = True
        own.leave(ticket, None)
        results = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 5)
        assert isinstance(results[0], Ticket)  # its place had been granted before
        assert [str(result) for result in results[1:]] == ["the disk is full"] * 2
        own.leave(results[0], None)
        with pytest.raises(StoreError):
            await own.enter(model="m", tokens=1)

    run(scenario())


def test_processes_share_the_places_and_a_newcomer_gets_its_part() -> None:
    async def scenario() -> None:
        ledger, log = LocalLedger(now), list[str]()
        first = admission(ledger, concurrency=8)
        second = admission(ledger.sibling(), concurrency=8)
        one = [asyncio.create_task(ask(first, "1", log)) for _ in range(40)]
        await asyncio.sleep(0.5)
        two = [asyncio.create_task(ask(second, "2", log)) for _ in range(40)]
        await asyncio.sleep(0.4)
        assert (first.snapshot().in_flight, second.snapshot().in_flight) == (8, 0)
        for _ in range(16):
            await asyncio.sleep(0.25)
            assert first.snapshot().in_flight + second.snapshot().in_flight <= 8
        assert second.snapshot().in_flight == 4
        await asyncio.gather(*one, *two)
        assert ledger.places("acme", limit=8, using=0, wanted=8) == 8

    run(scenario())
