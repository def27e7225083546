from __future__ import annotations

import gzip
import json
import re
import socket
import time
import zlib
from typing import Any

import pytest

from promptops.errors import FailureKind
from promptops.testing import Answer, LoopbackServer
from tests.providers.kit import PIN, ask, failure, planned, reply

GOOD = {"model": PIN.model, "choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}


def body(**changes: Any) -> Answer:
    return Answer(body=json.dumps({**GOOD, **changes}).encode())


def choice(**message: Any) -> Answer:
    return body(choices=[{"message": message, "finish_reason": "stop"}])


BAD: dict[str, tuple[Answer, FailureKind, str]] = {
    "no JSON": (Answer(body=b"<html><b>Welcome</b></html>"), "bad_reply", "not JSON"),
    "empty": (Answer(body=b""), "bad_reply", "(empty)"),
    "no content": (Answer(status=204, raw=b"HTTP/1.1 204 No Content\r\n\r\n"), "bad_reply", "(empty)"),
    "half of it": (Answer(body=b'{"choices": [{"mess'), "bad_reply", "not JSON"),
    "a list": (Answer(body=b"[]"), "bad_reply", "no object"),
    "not UTF-8": (Answer(body=b'{"a": "\xff"}'), "bad_reply", "not UTF-8"),
    "NaN": (Answer(body=b'{"a": NaN}'), "bad_reply", "NaN is no JSON"),
    "too deep": (Answer(body=b'{"a":' * 100_000), "bad_reply", "nested too deeply"),
    "a huge number": (Answer(body=b'{"a": ' + b"9" * 10_000 + b"}"), "bad_reply", "not JSON"),
    "no choices": (body(choices=[]), "bad_reply", "choices must be a list with one choice, and is []"),
    "choices missing": (Answer(body=b"{}"), "bad_reply", "choices must be"),
    "choices a text": (body(choices="hi"), "bad_reply", "choices must be"),
    "choice null": (body(choices=[None]), "bad_reply", "choices[0] must be an object, and is missing"),
    "message missing": (body(choices=[{}]), "bad_reply", "choices[0].message must be an object"),
    "content null": (choice(content=None), "bad_reply", "content must be a text, and is missing"),
    "content a number": (choice(content=7), "bad_reply", "content must be a text, and is 7"),
    "tool calls a text": (choice(content="", tool_calls="x"), "bad_reply", "tool_calls must be a list"),
    "usage a list": (body(usage=[1]), "bad_reply", "usage must be an object"),
    "tokens a text": (body(usage={"prompt_tokens": "7"}), "bad_reply", "counts of tokens"),
    "tokens negative": (body(usage={"prompt_tokens": -7}), "bad_reply", "counts of tokens"),
    "model a number": (body(model=4), "bad_reply", "model must be a text"),
    "error with status 200": (body(error={"message": "overloaded"}), "server", "overloaded"),
    "finish reason error": (body(choices=[{"finish_reason": "error"}]), "server", "failed midway"),
    "another model": (body(model="gpt-3.5"), "identity", "'gpt-3.5' answered"),
    "no model": (body(model=None), "identity", "does not say which model"),
    "prompt cut": (body(truncated=True), "identity", "cut the prompt"),
    "cached": (Answer(headers={"x-portkey-cache-status": "HIT"}), "identity", "from its cache"),
    "redirect": (
        Answer(status=307, headers={"Location": "https://evil.example/v1"}),
        "request",
        "redirects to https://evil.example/v1",
    ),
    "dropped at once": (Answer(drop=0), "connection", "cannot be reached, or broke off"),
    "dropped in the headers": (Answer(drop=30), "connection", "broke off"),
    "dropped in the body": (Answer("x" * 1000, drop=400), "connection", "broke off"),
    "body shorter than told": (
        Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}"),
        "connection",
        "broke off",
    ),
    "body longer than told": (
        Answer(raw=b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{"choices": []}'),
        "bad_reply",
        "not HTTP",
    ),
    "not HTTP": (Answer(raw=b"hello, who is there?\r\n\r\n"), "bad_reply", "not HTTP"),
    "a header without end": (
        Answer(raw=b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 100_000 + b"\r\n\r\n{}"),
        "bad_reply",
        "not HTTP",
    ),
    "packed by brotli": (Answer(body=b"{}", headers={"Content-Encoding": "br"}), "bad_reply", "packed by 'br'"),
    "packed by nobody": (Answer(body=b"{}", headers={"Content-Encoding": "gzip"}), "bad_reply", "and is not"),
    "packed and cut": (
        Answer(body=gzip.compress(b"{}" * 1000)[:-12], headers={"Content-Encoding": "gzip"}),
        "bad_reply",
        "ends in the middle",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_reply_is_a_failure_that_says_what_is_wrong(name: str) -> None:
    answer, kind, words = BAD[name]
    with LoopbackServer(answer) as server:
        (sample,) = ask(server, retries=0)
    assert (failure(sample).kind, words in failure(sample).message) == (kind, True), failure(sample)
    assert "acme" in failure(sample).message
    assert len(failure(sample).message) < 700
    assert failure(sample).message.isprintable()


def test_a_redirect_is_not_followed_and_the_key_goes_nowhere_else() -> None:
    with LoopbackServer() as other:
        with LoopbackServer(Answer(status=308, headers={"Location": f"{other.base_url}/chat/completions"})) as server:
            (sample,) = ask(server)
        assert failure(sample).kind == "request"
        assert other.count == 0


def test_a_packed_reply_is_unpacked_although_it_was_not_asked_for() -> None:
    packed = gzip.compress(json.dumps(GOOD).encode())
    with LoopbackServer(Answer(body=packed, headers={"Content-Encoding": "gzip"})) as server:
        assert reply(ask(server)[0]).text == "hi"
    assert server.requests[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("how", ["plain", "gzip", "deflate"])
def test_a_body_past_16_mb_is_given_up_at_once(how: str) -> None:
    plain = b" " * (17 * 2**20)
    packed = {
        "plain": lambda: plain,
        "gzip": lambda: gzip.compress(b" " * 2**26, 1),
        "deflate": lambda: zlib.compress(plain),
    }
    headers = {} if how == "plain" else {"Content-Encoding": how}
    with LoopbackServer(Answer(body=packed[how](), headers=headers)) as server:
        began = time.monotonic()
        (sample,) = ask(server, retries=0)
    assert "larger than 16 MB" in failure(sample).message
    assert time.monotonic() - began < 20


def test_a_server_that_drips_a_byte_at_a_time_meets_the_deadline() -> None:
    with LoopbackServer(Answer("slow", drip=0.5)) as server:
        began = time.monotonic()
        (sample,) = ask(server, retries=0, timeout="300ms")
        assert time.monotonic() - began < 30
    assert failure(sample).kind == "timeout"
    assert re.search(r"within 0(\.[0-3]\d*)? s", failure(sample).message), failure(sample)


def test_a_server_that_says_nothing_meets_the_deadline() -> None:
    with LoopbackServer(Answer(delay=30)) as server:
        (sample,) = ask(server, retries=0, timeout="200ms")
    assert failure(sample).kind == "timeout"


def test_nobody_there_is_a_connection_failure_with_a_question() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and nobody else can listen there
        (sample,) = ask(LoopbackServer(port=nobody.getsockname()[1]), retries=0)
    assert failure(sample).kind == "connection"
    assert "is the server running?" in failure(sample).message


def test_a_listener_that_never_accepts_meets_the_deadline() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        server = LoopbackServer(port=listener.getsockname()[1])
        (sample,) = ask(server, retries=0, timeout="200ms")
    assert failure(sample).kind == "timeout"


def test_no_cookie_is_kept() -> None:
    with LoopbackServer(Answer(headers={"Set-Cookie": "route=7; Path=/"})) as server:
        ask(server, planned("a"), planned("b"), concurrency=1)
    assert "cookie" not in server.requests[1].headers


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (choice(content=None, refusal="I will not."), "I will not."),
        (choice(content=None, tool_calls=[{"id": "1", "function": {"name": "f"}}]), ""),
        (choice(content=[{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]), "ab"),
        (body(choices=[{"message": {"content": None}, "finish_reason": "length"}]), ""),
        (choice(content="\ud800 \x1b[31m\x00 ::error"), "\N{REPLACEMENT CHARACTER} \x1b[31m\x00 ::error"),
        (choice(content="\U0001f600 é"), "\U0001f600 é"),
    ],
)
def test_every_kind_of_answer_is_text_as_the_model_gave_it(answer: Answer, text: str) -> None:
    with LoopbackServer(answer) as server:
        assert reply(ask(server)[0]).text == text


def test_tool_calls_are_kept() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    with LoopbackServer(Answer(None, tool_calls=[call], finish_reason="tool_calls")) as server:
        got = reply(ask(server)[0])
    assert got.tool_calls == (call,)
    assert (got.text, got.finish_reason) == ("", "tool_calls")
