from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator

import pytest

from promptops.config import Config, Price
from promptops.core.digest import sample_seed
from promptops.errors import ProviderError, UsageError
from promptops.models import Pin, Sample, Usage
from promptops.providers.base import Limits
from promptops.providers.client import Client
from promptops.testing import Answer, LoopbackServer, ScriptedProvider
from promptops.testing.answers import render_response
from tests.providers.kit import ENVIRON, KEY, PIN, Still, ask, config, failure, planned, reply


def in_turn(*answers: Answer | str) -> Iterator[Answer]:
    for answer in answers:
        yield answer if isinstance(answer, Answer) else Answer(answer)


def test_a_sample_has_text_usage_latency_cost_and_the_model_that_served() -> None:
    with LoopbackServer(Answer("yes", usage=(1000, 100)), latency=0.05) as server:

        async def run() -> None:
            own = Config(providers=config(server.base_url).providers, prices={str(PIN): Price(input=2.0, output=10.0)})
            client = Client(own, environ=ENVIRON)
            sample = await client.sample(planned())
            await client.aclose()
            got = reply(sample)
            assert (got.text, got.finish_reason, got.served_model, got.attempts) == ("yes", "stop", PIN.model, 1)
            assert got.usage == Usage(1000, 100)
            assert 0.05 <= got.latency < 60
            assert sample.cost == pytest.approx(0.003)
            assert sample.source == "live"
            assert sample.request == planned().digest
            assert sample.recorded_at is not None

        asyncio.run(run())


def test_each_sample_has_a_seed_of_its_own() -> None:
    with LoopbackServer() as server:
        ask(server, *(planned(case, index) for case in ("a", "b") for index in (0, 1)))
    seeds = [received.json["seed"] for received in server.requests]
    assert sorted(seeds) == sorted(sample_seed(case, index) for case in ("a", "b") for index in (0, 1))
    assert len(set(seeds)) == 4


def test_an_endpoint_that_takes_no_seed_gets_none() -> None:
    with LoopbackServer() as server:
        ask(server, seed=False)
    assert "seed" not in server.requests[0].json


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 529])
def test_what_can_pass_is_asked_again(status: int) -> None:
    answers = in_turn(Answer(status=status), Answer(status=status), "at last")
    with LoopbackServer(lambda _: next(answers)) as server:
        (sample,) = ask(server)
    assert reply(sample).text == "at last"
    assert reply(sample).attempts == 3


@pytest.mark.parametrize(
    ("status", "kind"), [(400, "request"), (401, "auth"), (403, "auth"), (404, "not_found"), (422, "request")]
)
def test_what_cannot_pass_is_asked_once(status: int, kind: str) -> None:
    with LoopbackServer(Answer(status=status, error="because")) as server:
        (sample,) = ask(server)
    assert failure(sample).kind == kind
    assert "because" in failure(sample).message
    assert server.count == 1


def test_waits_grow_and_the_last_failure_says_how_often_was_asked() -> None:
    still = Still()
    with LoopbackServer(Answer(status=503)) as server:
        (sample,) = ask(server, still=still, retries=4)
    assert still.waits == sorted(still.waits)
    assert len(still.waits) == 4
    assert failure(sample).message.endswith("(asked 5 times)")
    assert [(attempt.failure, attempt.status) for attempt in sample.attempts] == [("server", 503)] * 5


def test_retries_can_be_switched_off() -> None:
    with LoopbackServer(Answer(status=503)) as server:
        (sample,) = ask(server, retries=0)
    assert server.count == 1
    assert failure(sample).kind == "server"


def test_retry_after_is_obeyed_and_holds_everybody() -> None:
    came: list[float] = []
    answers = in_turn(Answer(status=429, headers={"Retry-After": "1"}), "ok", "ok")

    def answer(_: object) -> Answer:
        came.append(time.monotonic())
        return next(answers)

    with LoopbackServer(answer) as server:
        samples = ask(server, planned("a"), planned("b"), still=None, concurrency=1)
    assert [reply(sample).text for sample in samples] == ["ok", "ok"]
    assert all(later - came[0] > 0.9 for later in came[1:]), "the other request waits too"


def test_a_server_that_wants_an_hour_is_not_waited_for() -> None:
    still = Still()
    with LoopbackServer(Answer(status=429, headers={"Retry-After": "3600"})) as server:
        (sample,) = ask(server, still=still)
    assert (server.count, still.waits) == (1, [])
    assert "it asks to wait 3600 s" in failure(sample).message
    assert failure(sample).kind == "rate_limit"


def test_no_more_requests_are_in_flight_than_the_provider_stands() -> None:
    whole = render_response(Answer("ok"), {"model": PIN.model})

    def held() -> Iterator[bytes]:
        """A reply that does not end before all places are taken."""
        yield whole[:1]
        while server.peak < 8:
            yield b""
        yield whole[1:]

    with LoopbackServer(Answer(raw=held, drip=0.01, end="keep")) as server:
        samples = ask(server, *(planned(f"c{number}") for number in range(40)), concurrency=8)
    assert all(sample.reply for sample in samples)
    assert server.peak == 8
    assert server.connections == 8


def test_the_number_in_flight_can_be_replaced_but_not_for_a_local_model() -> None:
    async def peak(limits: Limits, concurrency: int) -> int:
        provider = ScriptedProvider(latency=0.01, limits=limits)
        client = Client(concurrency=concurrency, open_provider=lambda _: provider, environ={})
        await asyncio.gather(*(client.sample(planned(f"c{number}")) for number in range(12)))
        await client.aclose()
        assert provider.closed
        return provider.peak

    assert asyncio.run(peak(Limits(concurrency=2), 6)) == 6
    assert asyncio.run(peak(Limits(concurrency=1, fixed=True), 6)) == 1


def test_waiting_for_a_place_is_not_counted_against_the_deadline() -> None:
    with LoopbackServer(latency=0.3) as server:
        samples = ask(server, *(planned(f"c{number}") for number in range(8)), concurrency=1, timeout="2s")
    assert all(sample.reply for sample in samples)


def test_a_key_is_in_no_failure_even_when_the_server_repeats_it() -> None:
    with LoopbackServer(Answer(status=401, error=f"Incorrect API key provided: {KEY}. Bearer {KEY}")) as server:
        (sample,) = ask(server)
    message = failure(sample).message
    assert KEY not in message
    assert "Incorrect API key provided: [redacted]" in message
    assert "$ACME_API_KEY" in message
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_a_missing_key_is_named_before_anything_is_sent() -> None:
    with LoopbackServer() as server:
        (sample,) = ask(server, environ={})
    assert server.count == 0
    assert failure(sample).kind == "auth"
    assert failure(sample).message.startswith("acme: $ACME_API_KEY is not set")


def test_no_key_is_sent_where_none_is_configured() -> None:
    with LoopbackServer() as server:
        ask(server, api_key_env=None, environ={"OPENAI_API_KEY": KEY, **ENVIRON})
    assert "authorization" not in server.requests[0].headers
    assert KEY not in str(server.requests[0])


def test_a_pin_of_an_unknown_provider_is_a_usage_error_and_no_outage() -> None:
    async def run() -> None:
        await Client(Config(), environ={}).sample(planned(pin=Pin("openay", "gpt")))

    with pytest.raises(UsageError, match="did you mean 'openai'"):
        asyncio.run(run())


def test_a_scripted_failure_becomes_a_failed_sample_with_a_hint() -> None:
    def refuse(*_: object) -> str:
        raise ProviderError("identity", "another model")

    async def run() -> None:
        client = Client(open_provider=lambda _: ScriptedProvider(refuse), environ={})
        sample = await client.sample(planned())
        assert failure(sample).kind == "identity"
        assert "gateway" in failure(sample).hint
        await client.aclose()
        await client.aclose()

    asyncio.run(run())


@pytest.mark.parametrize(("pin", "words"), [(PIN, "base_url"), (Pin("local", "tiny"), "server of a local model")])
def test_a_failed_connection_has_a_hint_that_fits_the_pin(pin: Pin, words: str) -> None:
    def refuse(*_: object) -> str:
        raise ProviderError("connection", "gone")

    async def run() -> Sample:
        client = Client(open_provider=lambda _: ScriptedProvider(refuse), environ={}, clock=Still().clock())
        return await client.sample(planned(pin=pin))

    assert words in failure(asyncio.run(run())).hint


def test_a_request_writes_no_log_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), LoopbackServer() as server:
        assert ask(server)[0].reply
    assert not caplog.records


def test_a_proxy_of_the_environment_does_not_see_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with LoopbackServer() as server:
        assert ask(server)[0].reply


def test_cancelling_a_sample_frees_its_place() -> None:
    async def run(server: LoopbackServer) -> None:
        client = Client(config(server.base_url, concurrency=1), environ=ENVIRON)
        first = asyncio.create_task(client.sample(planned("slow")))
        while not server.count:  # noqa: ASYNC110 - it is another thread's
            await asyncio.sleep(0.01)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert (await asyncio.wait_for(client.sample(planned("quick")), 60)).reply
        await client.aclose()

    answers = in_turn(Answer(delay=600), "ok")
    with LoopbackServer(lambda _: next(answers)) as server:
        asyncio.run(run(server))
