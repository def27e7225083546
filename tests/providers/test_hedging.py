from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from promptops.errors import ProviderError
from promptops.providers.hedging import Begun, Hedges, NotHedged
from tests.providers.virtual import run as simulate

LONG = 30.0


async def after(seconds: float, value: str, *, fails: bool = False, cancelled: list[str] | None = None) -> str:
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        if cancelled is not None:
            cancelled.append(value)
        raise
    if fails:
        raise ProviderError("server", value)
    return value


def sent(request: Callable[[], Awaitable[str]]) -> Callable[[Begun], Awaitable[str]]:
    """A request that is sent at once."""

    def begin(begun: Begun) -> Awaitable[str]:
        begun.set_result(None)
        return request()

    return begin


def first(
    request: Callable[[], Awaitable[str]],
    second: Callable[[], Awaitable[str]],
    *,
    wait: float = 0.0,
    hedges: Hedges | None = None,
) -> str:
    async def run() -> str:
        used = hedges or Hedges()
        used.sent()
        return await used.first(sent(request), second, after=wait, share=0.5)

    return simulate(run())


def never() -> Awaitable[str]:
    raise AssertionError("this was not to be hedged")


def test_a_quick_reply_is_not_hedged() -> None:
    assert first(lambda: after(0.0, "a"), never, wait=LONG) == "a"


def test_a_quick_failure_is_not_hedged() -> None:
    with pytest.raises(ProviderError, match="no"):
        first(lambda: after(0.0, "no", fails=True), never, wait=LONG)


def test_the_second_wins_where_the_first_hangs_and_the_first_is_cancelled() -> None:
    cancelled: list[str] = []
    assert first(lambda: after(LONG, "a", cancelled=cancelled), lambda: after(0.0, "b")) == "b"
    assert cancelled == ["a"]


def test_the_first_may_still_win() -> None:
    cancelled: list[str] = []
    assert first(lambda: after(0.02, "a"), lambda: after(LONG, "b", cancelled=cancelled)) == "a"
    assert cancelled == ["b"]


def test_a_failure_of_one_waits_for_the_other() -> None:
    assert first(lambda: after(0.02, "a"), lambda: after(0.0, "b", fails=True)) == "a"
    assert first(lambda: after(0.01, "a", fails=True), lambda: after(0.03, "b")) == "b"


def test_where_both_fail_the_first_is_told() -> None:
    with pytest.raises(ProviderError, match="first"):
        first(lambda: after(0.02, "first", fails=True), lambda: after(0.0, "second", fails=True))


def test_hedges_stay_a_share_of_all_requests_with_one_at_least() -> None:
    async def run() -> int:
        hedges, hedged = Hedges(), 0

        def second() -> Awaitable[str]:
            nonlocal hedged
            hedged += 1
            return after(0.0, "b")

        for _ in range(40):
            hedges.sent()
            await hedges.first(sent(lambda: after(0.001, "a")), second, after=0.0, share=0.1)
        return hedged

    assert simulate(run()) == 4


def test_cancelling_cancels_both() -> None:
    cancelled: list[str] = []

    async def run() -> None:
        hedges = Hedges()
        task = asyncio.ensure_future(
            hedges.first(
                sent(lambda: after(LONG, "a", cancelled=cancelled)),
                lambda: after(LONG, "b", cancelled=cancelled),
                after=0.0,
                share=1.0,
            )
        )
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    simulate(run())
    assert sorted(cancelled) == ["a", "b"]


def test_waiting_for_a_place_is_no_reason_to_hedge() -> None:
    async def run() -> str:
        async def queued(begun: Begun) -> str:
            await asyncio.sleep(0.05)
            begun.set_result(None)
            return await after(0.0, "a")

        return await Hedges().first(queued, never, after=0.02, share=1.0)

    assert simulate(run()) == "a"


def test_a_hedge_that_finds_no_place_uses_up_no_share_and_disturbs_nothing() -> None:
    async def run() -> list[str]:
        hedges = Hedges()

        async def refused() -> str:
            await asyncio.sleep(0)
            raise NotHedged

        hedges.sent()
        seconds = (refused, refused, lambda: after(0.0, "b"))
        return [await hedges.first(sent(lambda: after(0.05, "a")), two, after=0.0, share=0.1) for two in seconds]

    assert simulate(run()) == ["a", "a", "b"]


def test_a_hedge_that_is_not_sent_leaves_the_failure_of_the_first() -> None:
    async def refused() -> str:
        raise NotHedged

    with pytest.raises(ProviderError, match="first"):
        first(lambda: after(0.02, "first", fails=True), refused)
