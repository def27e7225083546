from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from promptops.errors import FailureKind, ProviderError
from promptops.models import Caps, Failure, Message, Pin, PlannedSample, Reply, Request, Sample, SampleKey, Usage
from promptops.providers.base import Limits
from promptops.providers.client import Client
from promptops.runner.budget import Budget
from promptops.testing import ScriptedProvider

PIN = Pin("test", "model-1")
WORST = 0.01  # dollars
MANY = 20


def planned(number: int = 0, text: str = "hi") -> PlannedSample:
    request = Request(PIN, (Message("user", text),), {"max_tokens": 50})
    return PlannedSample(SampleKey("p", "v1", str(PIN), f"c{number}"), request, f"sha256:{number:064x}")


def budget(caps: Caps, *, price: float | None = WORST, cost: float | None = WORST) -> Budget:
    return Budget(caps, lambda request: price, lambda request, reply: cost)


def ask(
    allowance: Budget,
    answer: Callable[[Request, int | None], Reply] | str = "ok",
    *,
    count: int = MANY,
    limits: Limits | None = None,
) -> tuple[list[Sample], ScriptedProvider]:
    provider = ScriptedProvider(answer, latency=0.001, limits=limits or Limits(breaker=0))

    async def run() -> list[Sample]:
        client = Client(open_provider=lambda _: provider, environ={}, allowance=allowance)
        try:
            return await asyncio.gather(*(client.sample(planned(number)) for number in range(count)))
        finally:
            await client.aclose()

    return asyncio.run(run()), provider


def failures(samples: list[Sample]) -> list[Failure]:
    return [sample.failure for sample in samples if sample.failure is not None]


def test_the_cap_holds_before_each_request_and_what_is_left_is_unmeasured() -> None:
    samples, provider = ask(budget(Caps(dollars=0.055)))
    assert len(provider.requests) == 5
    assert {failure.kind for failure in failures(samples)} == {"budget"}
    assert len(failures(samples)) == MANY - 5
    assert "the cap of $0.055 is reached: $0.0500 spent, the next may cost $0.0100" in failures(samples)[0].message
    assert "what was measured is not asked again" in failures(samples)[0].hint


def test_requests_that_turn_out_cheaper_leave_money_for_others() -> None:
    samples, provider = ask(budget(Caps(dollars=0.035), cost=0.001))
    assert not failures(samples)
    assert provider.peak <= 3


def test_a_cap_without_a_price_refuses_instead_of_hoping() -> None:
    samples, provider = ask(budget(Caps(dollars=1.0), price=None), count=2)
    assert not provider.requests
    assert all("no price is known for test/model-1" in failure.message for failure in failures(samples))


def test_a_reply_without_a_price_counts_as_the_worst_case() -> None:
    _, provider = ask(budget(Caps(dollars=0.035), cost=None))
    assert len(provider.requests) == 3


def test_tokens_are_held_by_their_bound_and_counted_by_the_reply() -> None:
    bound = 2 + 16 + 50  # bytes of the message, what a chat template adds, max_tokens
    _, provider = ask(budget(Caps(tokens=2 * bound)), lambda request, seed: Reply("ok", usage=Usage(10, 5)))
    assert len(provider.requests) == (2 * bound - bound) // 15 + 1
    _, provider = ask(budget(Caps(tokens=2 * bound)), lambda request, seed: Reply("ok"))
    assert len(provider.requests) == 2, "a reply that does not say counts as the bound"


def test_every_attempt_is_a_request() -> None:
    refusals = iter([True, True, False] * MANY)

    def answer(request: Request, seed: int | None) -> Reply:
        if next(refusals):
            raise ProviderError("rate_limit", "slowly", retry_after=0.0)
        return Reply("ok")

    samples, provider = ask(budget(Caps(requests=10)), answer)
    assert len(provider.requests) == 10
    assert "the cap of 10 requests is reached" in failures(samples)[0].message


@pytest.mark.parametrize(("kind", "asked"), [("timeout", 2), ("server", 2), ("rate_limit", MANY), ("connection", MANY)])
def test_what_may_have_been_charged_unseen_counts_in_full(kind: FailureKind, asked: int) -> None:
    def answer(request: Request, seed: int | None) -> Reply:
        raise ProviderError(kind, "late")

    _, provider = ask(budget(Caps(dollars=0.025)), answer, limits=Limits(breaker=0, retries=0))
    assert len(provider.requests) == asked


def test_a_cancelled_request_counts_in_full_and_blocks_nobody() -> None:
    async def run() -> Failure | None:
        allowance = budget(Caps(requests=1))
        request = planned().request
        assert await allowance.hold(request) is None
        waiting = asyncio.ensure_future(allowance.hold(replace(request)))
        await asyncio.sleep(0)
        allowance.settle(request, None, "cancelled")
        return await waiting

    refused = asyncio.run(run())
    assert refused is not None
    assert refused.kind == "budget"


def test_one_request_may_be_in_flight_twice() -> None:
    async def run() -> None:
        allowance = budget(Caps(requests=2))
        request = planned().request
        assert await allowance.hold(request) is None
        assert await allowance.hold(request) is None
        allowance.settle(request, Reply("ok"), None)
        allowance.settle(request, None, "cancelled")
        assert await allowance.hold(request) is not None

    asyncio.run(run())
