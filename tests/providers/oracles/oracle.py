"""The vendors' own SDKs as the other side: what they post for a call, and what they read in a reply.

An SDK is pointed at a loopback server, and so are we, with the same call. `sent_by` and `sent_by_us` return what came
in; `served` makes the answers that both get. The SDKs are those of the dev group of pyproject.toml.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pytest

from promptops.errors import FailureKind, ProviderError
from promptops.models import Message, Pin, Reply, Request, ToolCall
from promptops.providers.http import HttpProvider
from promptops.providers.keys import KeySource
from promptops.providers.streams import stream_for
from promptops.providers.wire import Wire
from promptops.testing import Answer, LoopbackServer
from promptops.testing.connection import Received

KEY = "sk-oracle-0123456789abcdef"
ANYWHERE = ("",)
OPEN: list[Any] = []  # clients that the end of the test closes


def closed_later(client: Any) -> Any:
    """Return `client`, whose sockets the end of the test closes."""
    OPEN.append(client)
    return client


def served(document: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer whose body is `document`."""
    return Answer(status=status, body=json.dumps(document).encode(), headers=headers or {})


def streamed(body: bytes, content_type: str = "text/event-stream") -> Answer:
    """An answer whose body is a stream, sent at once."""
    return Answer(body=body, headers={"Content-Type": content_type})


def events(documents: Iterable[Mapping[str, Any] | str], *, named: str | None = None) -> bytes:
    """Server-sent events of `documents`; `named` is the key of a document that is the event's name too."""
    return b"".join(_event(document, named) for document in documents)


def lines(documents: Iterable[Mapping[str, Any]]) -> bytes:
    """One JSON object a line."""
    return b"".join(json.dumps(document).encode() + b"\n" for document in documents)


def sent_by(call: Callable[[str], object], answer: Answer) -> Received:
    """Return what `call` posts to the server whose root URL it is given; what it makes of the reply is its affair."""
    with LoopbackServer(answer, paths=ANYWHERE) as server:
        call(f"http://127.0.0.1:{server.port}")
        (received,) = server.requests
    return received


def sent_by_us(
    format_name: str, request: Request, answer: Answer, *, below: str = "", seed: int | None = None, **settings: Any
) -> tuple[Received, Reply]:
    """Return what we post for `request` to a server whose base URL ends in `below`, and what we read."""
    with LoopbackServer(answer, paths=ANYWHERE) as server:
        reply = asyncio.run(_ask(f"http://127.0.0.1:{server.port}{below}", format_name, request, seed, settings))
        (received,) = server.requests
    return received, reply


def posted(received: Received, path: str) -> dict[str, Any]:
    """Return the JSON that came in, which came to `path` and with the key as a bearer token."""
    assert (received.path, received.headers["authorization"]) == (path, f"Bearer {KEY}")
    body: dict[str, Any] = received.json
    return body


def cuts(body: bytes) -> Iterator[list[bytes]]:
    """Every cut of `body` in two, and all of its bytes one by one."""
    yield [body[place : place + 1] for place in range(len(body))]
    for place in range(len(body) + 1):
        yield [body[:place], body[place:]]


def read(wire: Wire, pieces: Iterable[bytes], content_type: str) -> Reply:
    """Return what `wire` reads in a stream that comes in `pieces`."""
    stream = stream_for(content_type, wire.chunks)
    assert stream is not None, content_type
    for piece in pieces:
        stream.feed(piece)
    stream.finish()
    return wire.reply(stream.document())


def same_wherever_it_is_cut(wire: Wire, body: bytes, content_type: str = "text/event-stream") -> Reply:
    """Return what `wire` reads in the stream `body`, after comparing that for every cut."""
    whole = read(wire, [body], content_type)
    for pieces in cuts(body):
        assert read(wire, pieces, content_type) == whole
    return whole


def broken_wherever_it_is_cut(wire: Wire, body: bytes, content_type: str = "text/event-stream") -> FailureKind:
    """Return the kind of the error that `wire` raises for the stream `body`, after comparing that for every cut."""
    kinds = set()
    for pieces in ([body], *cuts(body)):
        with pytest.raises(ProviderError) as caught:
            read(wire, pieces, content_type)
        kinds.add(caught.value.kind)
    (kind,) = kinds
    return kind


def conversation(model: str, **params: Any) -> Request:
    """A few-shot conversation with a system prompt, and `params`."""
    shown = (Message("user", "7 pm"), Message("assistant", '{"time": "19:00"}'))
    return Request(
        Pin("acme", model), (Message("system", "Be brief."), *shown, Message("user", "half past two 😀")), params
    )


TOOL: Mapping[str, Any] = {
    "type": "function",
    "function": {
        "name": "book",
        "description": "Books a table.",
        "parameters": {
            "type": "object",
            "properties": {"time": {"type": "string"}, "people": {"type": "integer"}},
            "required": ["time"],
        },
    },
}


def with_calls(model: str, *, call_id: str = "call_1", **params: Any) -> Request:
    """A conversation in which a tool was called and answered, with the tool, and `params`."""
    call = ToolCall("book", {"time": "19:00", "people": 2}, call_id)
    messages = (
        Message("user", "a table at seven"),
        Message("assistant", "", tool_calls=(call,)),
        Message("tool", '{"booked": true}', tool_call_id=call_id),
        Message("user", "thanks, and one at eight"),
    )
    return Request(Pin("acme", model), messages, params, (TOOL,))


def _event(document: Mapping[str, Any] | str, named: str | None) -> bytes:
    if isinstance(document, str):
        return f"data: {document}\n\n".encode()
    name = f"event: {document[named]}\n" if named else ""
    return f"{name}data: {json.dumps(document)}\n\n".encode()


async def _ask(url: str, format_name: str, request: Request, seed: int | None, settings: dict[str, Any]) -> Reply:
    settings = {"key": KeySource("ACME_API_KEY", {"ACME_API_KEY": KEY}), **settings}
    provider = HttpProvider("acme", url, format_name=format_name, **settings)
    try:
        return await provider.ask(request, seed=seed, deadline=asyncio.get_running_loop().time() + 30)
    finally:
        await provider.aclose()
