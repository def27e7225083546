"""Streams over real sockets: the same reply as without, cut anywhere, with the time of its first token."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterable, Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from promptops.models import Reply
from promptops.providers import connection
from promptops.providers.deadlines import Waits, Watch
from promptops.providers.events import Events
from promptops.providers.http import HttpProvider
from promptops.providers.openai_chat import OpenAIChat
from promptops.providers.replies import parse_object
from promptops.testing import Answer, LoopbackServer
from promptops.testing.answers import render_response, render_stream
from tests.providers.attacks import EVENTS, PLENTY, Outcome, ask, attack, endless
from tests.providers.kit import ask as ask_client
from tests.providers.kit import reply as reply_of

ASKED = {"model": "m-2025-01-01", "messages": [{"role": "user", "content": "one two"}]}
STREAM: dict[str, Any] = {**ASKED, "stream": True, "stream_options": {"include_usage": True}}
CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"time": "14:30"}'}}
ANSWERS = {
    "text": Answer("one two three"),
    "empty": Answer(""),
    "unicode": Answer("é 😀 \x1b[31m \u2028 \x85 ::error \\u0041 \x00"),
    "lines": Answer("a\nb\r\nc\rdata: d\n\ne", chunks=["a\nb\r\n", "c\rdata: d\n\ne"]),
    "cut by the limit": Answer("one", finish_reason="length", usage=(7, 1)),
    "a call": Answer(None, tool_calls=[CALL], finish_reason="tool_calls"),
    "calls with text": Answer("wait", tool_calls=[CALL, {**CALL, "id": "2"}], finish_reason="tool_calls"),
    "a refusal": Answer(None, refusal="I will not do it."),
    "filtered": Answer(None, finish_reason="content_filter"),
    "another model": Answer("hi", model="somebody-else"),
    "lies about tokens": Answer("hi", fields={"usage": {"prompt_tokens": 1}}),
}


def body_of(response: bytes) -> bytes:
    """The body of a response, its chunks joined."""
    head, _, body = response.partition(b"\r\n\r\n")
    if b"chunked" not in head:
        return body
    joined = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        joined, body = joined + body[: int(size, 16)], body[int(size, 16) + 2 :]
    return joined


def read_stream(*pieces: bytes) -> Reply:
    own = OpenAIChat()
    reading = Events(own.chunks())
    for piece in pieces:
        reading.feed(piece)
    reading.finish()
    return own.reply(reading.document())


@pytest.mark.parametrize("name", ANSWERS)
def test_a_stream_is_the_same_reply_wherever_it_is_cut(name: str) -> None:
    answer = ANSWERS[name]
    stream = body_of(b"".join(render_stream(answer, STREAM)))
    expected = OpenAIChat().reply(parse_object(body_of(render_response(answer, ASKED))))
    assert read_stream(stream) == expected
    assert read_stream(*(stream[place : place + 1] for place in range(len(stream)))) == expected
    for place in range(0, len(stream), 3):
        assert read_stream(stream[:place], stream[place:]) == expected


def ask_once(server: LoopbackServer, *, stream: bool, waits: Waits | None = None) -> Outcome:
    async def run() -> Outcome:
        provider = HttpProvider("acme", server.base_url, stream=stream, waits=waits)
        try:
            return await ask(provider)
        finally:
            await provider.aclose()

    return asyncio.run(run())


def ask_streamed(answer: Answer, waits: Waits | None = None) -> Outcome:
    with LoopbackServer(answer) as server:
        return ask_once(server, stream=True, waits=waits)


def ask_both(answer: Answer) -> tuple[Outcome, Outcome, LoopbackServer]:
    with LoopbackServer(answer) as server:
        return ask_once(server, stream=False), ask_once(server, stream=True), server


@pytest.mark.parametrize("name", ANSWERS)
def test_asking_for_a_stream_changes_nothing_but_the_times(name: str) -> None:
    whole, streamed, server = ask_both(ANSWERS[name])
    assert whole.kind == streamed.kind
    if whole.reply and streamed.reply:
        both = (whole.reply, streamed.reply)
        timeless = [replace(reply, latency=0.0, first_token=None, token_gap=None) for reply in both]
        assert timeless[0] == timeless[1]
        assert whole.reply.first_token is None
    assert "stream" not in server.requests[0].json
    assert (server.requests[1].json["stream"], server.requests[1].json["stream_options"]) == (
        True,
        {"include_usage": True},
    )


def test_the_first_token_is_timed_from_sending_and_comes_before_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, token = threading.Event(), Watch.token

    def noted(watch: Watch, pieces: int = 1) -> None:
        token(watch, pieces)
        seen.set()

    def pieces() -> Iterator[bytes]:
        """A stream that goes on when its first token was seen."""
        for number, piece in enumerate(render_stream(Answer("one two three four"), STREAM)):
            while number > 2 and not seen.is_set():  # after the head, the role, and the first word
                yield b""
            yield piece

    monkeypatch.setattr(Watch, "token", noted)
    streamed = ask_streamed(Answer(raw=pieces, delay=0.1, drip=0.05)).reply
    assert streamed is not None
    assert streamed.first_token is not None
    assert 0.1 <= streamed.first_token < streamed.latency
    assert streamed.latency - streamed.first_token >= 0.1


@pytest.mark.parametrize("status", [400, 429, 500])
def test_an_error_in_place_of_a_stream_is_an_error(status: int) -> None:
    whole, streamed, _ = ask_both(Answer(status=status, error="because"))
    assert (whole.kind, whole.words) == (streamed.kind, streamed.words)
    assert "because" in streamed.words


def test_a_server_that_does_not_stream_is_read_as_it_answers() -> None:
    document = body_of(render_response(Answer("whole"), ASKED))
    streamed = ask_streamed(Answer(body=document)).reply
    assert streamed is not None
    assert (streamed.text, streamed.first_token) == ("whole", None)


def test_a_stream_without_its_last_word_is_a_reply_where_the_reply_was_ended() -> None:
    assert ask_streamed(Answer("one two", done=False)).reply
    cut = ask_streamed(Answer("one two", finish_reason=None, done=False))
    assert (cut.kind, "ended in the middle of the reply" in cut.words) == ("connection", True), cut


def test_the_connection_of_a_stream_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "GRACE", PLENTY)

    async def run(url: str) -> None:
        provider = HttpProvider("acme", url, stream=True)
        for _ in range(3):
            assert (await ask(provider)).reply
        await provider.aclose()

    stream = b"".join(render_stream(Answer("one two"), STREAM))
    last = len(b"0\r\n\r\n")
    late = Answer(raw=lambda: [stream[:-last], stream[-last:]], drip=0.05, end="keep")
    for answer in (Answer("one two"), late):
        with LoopbackServer(answer) as server:
            asyncio.run(run(server.base_url))
            assert server.connections == 1


def test_a_stream_that_is_complete_and_not_ended_is_a_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    drain = connection._drain

    async def past_the_deadline(stream: AsyncIterable[bytes]) -> None:
        loop = asyncio.get_running_loop()
        own = loop.time
        with monkeypatch.context() as later:  # the deadline was met when the last word was here
            later.setattr(loop, "time", lambda: own() + 2 * PLENTY)
            await asyncio.sleep(0.01)
            await drain(stream)

    monkeypatch.setattr(connection, "GRACE", 0.05)
    monkeypatch.setattr(connection, "_drain", past_the_deadline)
    stream = body_of(b"".join(render_stream(Answer("all of it"), STREAM)))
    attacked, after = attack(Answer(raw=EVENTS + b"\r\n" + stream, end="hang"))
    assert attacked.reply is not None
    assert attacked.reply.text == "all of it"
    assert attacked.reply.latency < PLENTY
    assert after.reply is not None


BUSY = b": still thinking\n\n"
TOKEN = b'data: {"choices": [{"delta": {"content": "x"}}]}\n\n'


@pytest.mark.parametrize(
    ("answer", "waits", "missing"),
    [
        (Answer(raw=b"", end="hang"), Waits(first_token=0.2), "no first token within 0.2 s"),
        (Answer(raw=endless(EVENTS + b"\r\n", BUSY), drip=0.01), Waits(first_token=0.2), "no first token"),
        (Answer(raw=EVENTS + b"\r\n", end="hang"), Waits(idle=0.2), "nothing in the middle of the reply within 0.2 s"),
        (
            Answer(raw=EVENTS + b"\r\n" + TOKEN, end="hang"),
            Waits(first_token=60, idle=0.2),
            "nothing in the middle",
        ),
    ],
)
def test_a_stream_is_given_up_when_its_next_token_does_not_come(answer: Answer, waits: Waits, missing: str) -> None:
    attacked, after = attack(answer, waits=waits)
    assert (attacked.kind, missing in attacked.words) == ("timeout", True), attacked
    assert after.reply is not None


def test_a_slow_stream_that_keeps_coming_is_not_given_up() -> None:
    assert ask_streamed(Answer("a b c d e f", drip=0.05), waits=Waits(first_token=20, idle=20)).reply is not None


def test_the_settings_of_an_endpoint_reach_its_requests() -> None:
    with LoopbackServer("one two") as server:
        (sample,) = ask_client(server, stream=True, first_token_timeout="30s", idle_timeout="30s", connect_timeout="1m")
        assert reply_of(sample).first_token is not None
        assert server.requests[0].headers["accept"] == "text/event-stream, application/json"
    with LoopbackServer(Answer(raw=b"", end="hang")) as server:
        (sample,) = ask_client(server, stream=True, first_token_timeout="100ms", retries=0)
    assert sample.failure is not None
    assert "no first token within 0.1 s" in sample.failure.message
