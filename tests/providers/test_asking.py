"""A sample's way through attempts and endpoints, over providers that are functions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from promptops.config import Config
from promptops.errors import FailureKind, ProviderError
from promptops.models import Failure, Message, Pin, PlannedSample, Reply, Request, Sample, SampleKey
from promptops.providers.base import Exchange, Limits
from promptops.providers.client import Client, Clock
from tests.providers.virtual import run as simulate

PIN = Pin("main", "m-1")
Answer = Callable[["Endpoint"], str]


class Endpoint:
    """A provider that does what `answer` says; `sent` counts requests, `keys` are their idempotency keys."""

    def __init__(self, answer: Answer | str = "ok", *, latency: float = 0.0, **limits: Any) -> None:
        self.answer, self.latency = answer, latency
        self.name = "main"
        self.sent = 0
        self.keys: list[str] = []
        self._limits = replace(Limits(adaptive=False), **limits)

    def limits(self) -> Limits:
        return self._limits

    async def ask(
        self, request: Request, *, seed: int | None, deadline: float, exchange: Exchange | None = None
    ) -> Reply:
        assert exchange is not None
        self.sent += 1
        self.keys.append(exchange.idempotency)
        await asyncio.sleep(self.latency)
        text = self.answer if isinstance(self.answer, str) else self.answer(self)
        exchange.status = 200
        return Reply(text, served_model=request.pin.model, latency=self.latency)

    async def aclose(self) -> None:
        return


def fails(kind: FailureKind, *, times: float = float("inf"), retry_after: float | None = None) -> Answer:
    def answer(endpoint: Endpoint) -> str:
        if endpoint.sent <= times:
            raise ProviderError(kind, f"{kind} of {endpoint.name}", retry_after=retry_after)
        return "ok"

    return answer


def planned(number: int = 0) -> PlannedSample:
    request = Request(PIN, (Message("user", f"question {number}"),))
    return PlannedSample(SampleKey("p", "v1", str(PIN), f"c{number}"), request, f"sha256:{number:064x}")


async def no_sleep(seconds: float) -> None:
    await asyncio.sleep(0)


def ask(
    endpoints: dict[str, Endpoint],
    count: int = 1,
    *,
    config: Config | None = None,
    one_by_one: bool = False,
    **settings: Any,
) -> list[Sample]:
    def open_provider(pin: Pin) -> Endpoint:
        endpoint = endpoints[pin.provider]
        endpoint.name = pin.provider
        return endpoint

    async def run() -> list[Sample]:
        clock = Clock(sleep=no_sleep, chance=lambda: 0.5)
        client = Client(config, open_provider=open_provider, clock=clock, **{"environ": {}, **settings})
        wanted = [planned(number) for number in range(count)]
        try:
            if one_by_one:
                return [await client.sample(sample) for sample in wanted]
            return await asyncio.gather(*(client.sample(sample) for sample in wanted))
        finally:
            await client.aclose()

    return simulate(run())


def failure(sample: Sample) -> Failure:
    assert sample.failure is not None, sample
    return sample.failure


def reply(sample: Sample) -> Reply:
    assert sample.reply is not None, sample
    return sample.reply


# --- attempts


def test_every_attempt_is_in_the_sample() -> None:
    (sample,) = ask({"main": Endpoint(fails("server", times=2), breaker=0)})
    assert [(a.endpoint, a.failure, a.hedge) for a in sample.attempts] == [
        ("main", "server", False),
        ("main", "server", False),
        ("main", None, False),
    ]
    assert sample.attempts[-1].status == 200
    assert reply(sample).attempts == 3
    assert reply(sample).endpoint is None


def test_the_attempts_of_a_failed_sample_are_in_it_too() -> None:
    (sample,) = ask({"main": Endpoint(fails("connection"), retries=2)})
    assert [attempt.failure for attempt in sample.attempts] == ["connection"] * 3
    assert failure(sample).message == "connection of main (asked 3 times)"


def test_all_attempts_at_a_sample_carry_one_idempotency_key_and_no_two_samples_the_same() -> None:
    endpoint = Endpoint(fails("server", times=3), breaker=0)
    ask({"main": endpoint}, 2, one_by_one=True)
    assert len(endpoint.keys) == 5
    assert len(set(endpoint.keys[:4])) == 1
    assert endpoint.keys[4] != endpoint.keys[0]


def test_a_run_retries_no_more_than_its_budget() -> None:
    endpoint = Endpoint(fails("server"), breaker=0, retries=100)
    ask({"main": endpoint}, 50, config=Config(retry_budget=1.0))
    assert endpoint.sent == 50 + 100, "the reserve, and not 50 times 100"


# --- the breaker


def test_a_dead_endpoint_is_asked_a_few_times_and_the_rest_fails_at_once() -> None:
    endpoint = Endpoint(fails("connection"), breaker=10, breaker_patience=0.4, concurrency=4)
    samples = ask({"main": endpoint}, 200)
    assert endpoint.sent <= 10 + 4 + 3
    kinds = [failure(sample).kind for sample in samples]
    assert kinds.count("outage") > 180
    told = next(failure(sample) for sample in samples if failure(sample).kind == "outage")
    assert "main is not asked any more" in told.message
    assert "the last with: connection of main" in told.message
    assert "run again when the provider is back" in told.hint


def test_an_endpoint_that_comes_back_loses_nothing() -> None:
    endpoint = Endpoint(fails("connection", times=12), breaker=10, concurrency=2)
    samples = ask({"main": endpoint}, 100)
    assert all(sample.reply for sample in samples)


def test_a_refused_key_stops_the_run_without_waiting() -> None:
    endpoint = Endpoint(fails("auth"), breaker=5, concurrency=2)
    samples = ask({"main": endpoint}, 100)
    assert endpoint.sent <= 7
    assert {failure(sample).kind for sample in samples} == {"auth", "outage"}


@pytest.mark.parametrize("kind", ["request", "bad_reply", "identity", "not_found"])
def test_what_says_nothing_of_the_endpoint_opens_no_breaker(kind: FailureKind) -> None:
    endpoint = Endpoint(fails(kind), breaker=3)
    samples = ask({"main": endpoint}, 20)
    assert endpoint.sent == 20
    assert {failure(sample).kind for sample in samples} == {kind}


def test_with_retries_off_nobody_waits_for_a_broken_endpoint() -> None:
    endpoint = Endpoint(fails("server"), breaker=3, retries=0, breaker_patience=60.0)
    samples = ask({"main": endpoint}, 20, one_by_one=True)
    assert endpoint.sent == 3
    assert [failure(sample).kind for sample in samples] == ["server"] * 3 + ["outage"] * 17


def test_an_outage_and_its_end_are_logged_without_any_key_or_command(caplog: pytest.LogCaptureFixture) -> None:
    key = "sk-secret-0123456789"

    def answer(endpoint: Endpoint) -> str:
        if endpoint.sent <= 5:
            raise ProviderError("connection", f"no way with {key} ##vso[x]")
        return "ok"

    with caplog.at_level(logging.DEBUG, "promptops"):
        ask({"main": Endpoint(answer, breaker=5, concurrency=1)}, 3, environ={"MAIN_API_KEY": key})
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warned == [
        "main: 5 requests in a row failed, only probes are sent; the last with: no way with [redacted] #\\#vso[x]",
        "main answers again",
    ]
    assert key not in caplog.text


# --- failover


@pytest.mark.parametrize("kind", ["rate_limit", "server", "connection", "timeout", "auth"])
def test_another_endpoint_of_the_same_pin_answers_and_is_named(kind: FailureKind) -> None:
    main, spare = Endpoint(fails(kind), failover=("spare",)), Endpoint("from spare")
    (sample,) = ask({"main": main, "spare": spare})
    assert (reply(sample).text, reply(sample).endpoint, reply(sample).served_model) == ("from spare", "spare", "m-1")
    assert [(a.endpoint, a.failure) for a in sample.attempts] == [("main", kind), ("spare", None)]
    assert sample.key.pin == "main/m-1"


@pytest.mark.parametrize("kind", ["request", "bad_reply", "identity", "not_found"])
def test_what_no_endpoint_could_mend_fails_over_nowhere(kind: FailureKind) -> None:
    spare = Endpoint()
    (sample,) = ask({"main": Endpoint(fails(kind), failover=("spare",)), "spare": spare})
    assert failure(sample).kind == kind
    assert spare.sent == 0


def test_a_broken_endpoint_is_passed_by_from_then_on() -> None:
    main, spare = Endpoint(fails("connection"), failover=("spare",), breaker=5), Endpoint()
    samples = ask({"main": main, "spare": spare}, 100, one_by_one=True)
    assert all(reply(sample).endpoint == "spare" for sample in samples)
    assert main.sent == 5
    assert spare.sent == 100


def test_where_all_endpoints_fail_they_are_asked_in_turn() -> None:
    main = Endpoint(fails("server"), failover=("spare",), retries=5, breaker=0)
    spare = Endpoint(fails("connection"), breaker=0)
    (sample,) = ask({"main": main, "spare": spare})
    assert (main.sent, spare.sent) == (3, 3)
    assert failure(sample).message.endswith("(asked 6 times)")


def test_a_slow_endpoint_gives_way_to_a_quick_one() -> None:
    main = Endpoint(latency=0.02, failover=("spare",), latency_budget=0.01)
    samples = ask({"main": main, "spare": Endpoint()}, 60, one_by_one=True)
    assert main.sent == 20, "twenty replies say that it is slow"
    assert [reply(sample).endpoint for sample in samples[20:]] == ["spare"] * 40


# --- hedging


def test_a_slow_request_is_hedged_at_another_endpoint() -> None:
    main, spare = Endpoint(latency=30.0, failover=("spare",), hedge_after=0.01), Endpoint("from spare")
    (sample,) = ask({"main": main, "spare": spare})
    assert reply(sample).endpoint == "spare"
    assert sorted((a.endpoint, a.failure, a.hedge) for a in sample.attempts) == [
        ("main", "cancelled", False),
        ("spare", None, True),
    ]
    assert spare.keys[0] != main.keys[0], "a hedge is no repetition to the endpoint"


def test_with_one_endpoint_it_is_asked_twice() -> None:
    main = Endpoint(latency=0.05, hedge_after=0.01)
    (sample,) = ask({"main": main})
    assert main.sent == 2
    assert len(sample.attempts) == reply(sample).attempts == 2


def test_hedges_are_a_share_of_all_requests() -> None:
    main = Endpoint(latency=0.01, hedge_after=0.001, hedge_share=0.1, concurrency=50)
    ask({"main": main}, 50, one_by_one=True)
    assert main.sent == 55


# --- deadlines


def test_a_sample_ends_within_its_time_and_says_what_failed_last() -> None:
    async def sleep(seconds: float) -> None:
        await asyncio.sleep(30)

    async def run() -> Sample:
        endpoint = Endpoint(fails("server"), breaker=0)
        client = Client(
            Config(sample_timeout="100ms"), environ={}, open_provider=lambda _: endpoint, clock=Clock(sleep=sleep)
        )
        return await client.sample(planned())

    told = failure(simulate(run()))
    assert told.kind == "timeout"
    assert told.message == "no reply within the sample_timeout of 100ms (the last failure: server of main)"


def test_after_the_time_of_a_run_every_sample_fails_at_once() -> None:
    endpoint = Endpoint(latency=0.06, concurrency=1)
    samples = ask({"main": endpoint}, 10, time_limit=0.15)
    assert [sample.reply is not None for sample in samples] == [True] * 2 + [False] * 8
    assert "the time of the run, 0.15 s, is over" in failure(samples[-1]).message
    assert endpoint.sent <= 3


def test_after_a_stop_nothing_more_is_sent_and_what_is_in_flight_ends() -> None:
    async def run() -> list[Sample]:
        client = Client(environ={}, open_provider=lambda _: endpoint)
        asked = [asyncio.ensure_future(client.sample(planned(number))) for number in range(20)]
        await asyncio.sleep(0.02)
        client.stop()
        return await asyncio.wait_for(asyncio.gather(*asked), 5)

    endpoint = Endpoint(latency=0.1, concurrency=2)
    samples = simulate(run())
    assert endpoint.sent == 2
    assert sum(sample.reply is not None for sample in samples) == 2
    assert {failure(sample).kind for sample in samples if sample.failure} == {"cancelled"}


@pytest.mark.parametrize("kind", ["rate_limit", "connection"])
def test_those_who_wait_for_an_endpoint_that_breaks_move_on_to_another(kind: FailureKind) -> None:
    main = Endpoint(fails(kind, retry_after=30.0 if kind == "rate_limit" else None), failover=("spare",), concurrency=4)
    samples = ask({"main": main, "spare": Endpoint(concurrency=4)}, 100)
    assert all(reply(sample).endpoint == "spare" for sample in samples)


def test_the_time_of_a_sample_begins_with_its_first_request() -> None:
    endpoint = Endpoint(latency=0.1, concurrency=1)
    samples = ask({"main": endpoint}, 6, config=Config(sample_timeout="300ms"))
    assert all(sample.reply for sample in samples), "the last waits half a second for its turn"


def test_a_cancelled_sample_leaves_its_place() -> None:
    async def run() -> None:
        endpoint = Endpoint(latency=30.0, concurrency=1)
        client = Client(environ={}, open_provider=lambda _: endpoint)
        first = asyncio.ensure_future(client.sample(planned(0)))
        second = asyncio.ensure_future(client.sample(planned(1)))
        await asyncio.sleep(0.02)
        endpoint.latency = 0.0
        first.cancel()
        assert (await asyncio.wait_for(second, 5)).reply is not None
        await client.aclose()

    simulate(run())
