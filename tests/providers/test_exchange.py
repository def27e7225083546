"""What goes with a request beside it, and what is known of it afterwards beside the reply."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from promptops.errors import ProviderError
from promptops.models import Reply
from promptops.providers.base import Exchange
from promptops.providers.http import HttpProvider
from promptops.testing import Answer, LoopbackServer, ScriptedProvider
from tests.providers.kit import PIN, request


def ask(server: LoopbackServer, exchange: Exchange | None = None, **settings: Any) -> Reply:
    async def run() -> Reply:
        provider = HttpProvider("acme", server.base_url, **settings)
        deadline = asyncio.get_running_loop().time() + 60
        try:
            return await provider.ask(request(), seed=None, deadline=deadline, exchange=exchange)
        finally:
            await provider.aclose()

    return asyncio.run(run())


def test_status_and_headers_of_a_reply_are_told() -> None:
    exchange = Exchange()
    with LoopbackServer(Answer(headers={"X-RateLimit-Remaining-Requests": "7"})) as server:
        ask(server, exchange)
    assert exchange.status == 200
    assert exchange.headers["x-ratelimit-remaining-requests"] == "7"


@pytest.mark.parametrize(
    "answer", [Answer(status=429, headers={"X-Mine": "1"}), Answer(body=b"?", headers={"x-mine": "1"})]
)
def test_status_and_headers_of_an_error_are_told_too(answer: Answer) -> None:
    exchange = Exchange()
    with LoopbackServer(answer) as server, pytest.raises(ProviderError):
        ask(server, exchange)
    assert (exchange.status, exchange.headers["x-mine"]) == (answer.status, "1")


def test_nothing_is_told_where_nothing_came_back() -> None:
    exchange = Exchange()
    with LoopbackServer(Answer(drop=0)) as server, pytest.raises(ProviderError):
        ask(server, exchange)
    assert exchange == Exchange()


def test_the_idempotency_key_goes_in_the_header_of_the_endpoint_and_nowhere_else() -> None:
    with LoopbackServer() as server:
        ask(server, Exchange("once-7"), idempotency_header="Idempotency-Key")
        ask(server, Exchange(), idempotency_header="Idempotency-Key")
        ask(server, idempotency_header="Idempotency-Key")
        ask(server, Exchange("once-7"))
    assert [received.headers.get("idempotency-key") for received in server.requests] == ["once-7", None, None, None]
    assert b"once-7" not in server.requests[3].body


@pytest.mark.parametrize("served", ["deploy-7", PIN.model, "deploy-7-2025-01-01"])
def test_an_endpoint_is_asked_by_its_own_name_for_the_model_and_may_answer_by_either(served: str) -> None:
    with LoopbackServer(Answer(model=served)) as server:
        assert ask(server, names={PIN.model: "deploy-7", "other": "deploy-8"}).served_model == served
    assert server.requests[0].json["model"] == "deploy-7"


@pytest.mark.parametrize("served", ["deploy-8", "m"])
def test_any_other_name_is_still_another_model(served: str) -> None:
    with (
        LoopbackServer(Answer(model=served)) as server,
        pytest.raises(ProviderError, match="not a sample of acme/m-2025") as caught,
    ):
        ask(server, names={PIN.model: "deploy-7", "other": "deploy-8"})
    assert caught.value.kind == "identity"


def test_a_scripted_provider_tells_the_status_of_its_errors() -> None:
    def refuse(*_: object) -> str:
        raise ProviderError("rate_limit", "slow down", status=429)

    async def run() -> None:
        await ScriptedProvider(refuse).ask(request(), seed=None, deadline=1e9, exchange=exchange)

    exchange = Exchange()
    with pytest.raises(ProviderError):
        asyncio.run(run())
    assert exchange.status == 429
