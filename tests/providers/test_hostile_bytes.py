"""A connection that ends at every single byte of a response: never a reply that is half of one, never a broken pool."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import pytest
from msgspec.structs import replace

from promptops.providers.http import HttpProvider
from promptops.testing import Answer, LoopbackServer
from promptops.testing.answers import render_response, render_stream
from tests.providers.attacks import Outcome, ask

WELL = Answer("one answer", usage=(3, 4), chunks=("one ", "answer"))
ASKED: dict[str, Any] = {"model": "m-2025-01-01"}
STREAM: dict[str, Any] = {**ASKED, "stream": True, "stream_options": {"include_usage": True}}


def whole(*, stream: bool) -> bytes:
    return b"".join(render_stream(WELL, STREAM)) if stream else render_response(WELL, ASKED)


async def ask_at_every_byte(url: str, length: int, *, stream: bool) -> list[Outcome]:
    """The outcomes of one request for each place at which the response may end, and of two whole ones after them."""
    provider = HttpProvider("acme", url, stream=stream)
    places = iter(range(length))
    outcomes: dict[int, Outcome] = {}

    async def work() -> None:
        for place in places:
            outcomes[place] = await ask(provider, seed=place)

    try:
        await asyncio.gather(*(work() for _ in range(16)))
        after = [await ask(provider, seed=-1) for _ in range(2)]
    finally:
        await provider.aclose()
    return [*(outcomes[place] for place in range(length)), *after]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_response_that_ends_anywhere_is_a_lost_connection(end: Literal["close", "reset"], stream: bool) -> None:
    response = whole(stream=stream)
    # The last chunk says that there are no more: without it, a stream that said [DONE] is complete all the same.
    enough = response.index(b"[DONE]") + len(b"[DONE]\n\n") if stream else len(response)

    def cut(asked: dict[str, Any]) -> Answer:
        place = int(asked["seed"])
        return WELL if place < 0 else replace(WELL, drop=place, end=end)

    with LoopbackServer(cut, record=False) as server:
        *cuts, first, second = asyncio.run(ask_at_every_byte(server.base_url, len(response), stream=stream))
    assert first.reply is not None
    assert second.reply is not None
    for place, outcome in enumerate(cuts):
        if place < enough:
            assert outcome.kind == "connection", (place, response[:place], outcome)
        else:
            assert outcome.reply is not None, (place, outcome)
            assert (outcome.reply.text, outcome.reply.usage) == (second.reply.text, second.reply.usage)
