"""A server that hangs, floods, lies and talks nonsense: each ends in a clear error, and the next one is answered."""

from __future__ import annotations

import gzip
import re
import zlib
from itertools import chain, repeat

import pytest

from promptops.errors import FailureKind
from promptops.providers import deadlines
from promptops.testing import Answer
from tests.providers.attacks import EVENTS, JSON, PIECE, attack, chunked, endless

BODY = b'{"model": "m-2025-01-01", "choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}'
LENGTH = b"Content-Length: %d\r\n" % len(BODY)

HEAD = b"HTTP/1.1 429 Slow\r\nRetry-After: 3\r\n\r\n"

HANGS: dict[str, Answer] = {
    "says nothing": Answer(raw=b"", end="hang"),
    "stops in the status line": Answer(raw=b"HTTP/1.1 20", end="hang"),
    "stops in the headers": Answer(raw=JSON, end="hang"),
    "stops after the headers": Answer(raw=JSON + b"Content-Length: 20\r\n\r\n", end="hang"),
    "stops in the body": Answer(raw=JSON + LENGTH + b"\r\n" + BODY[:-1], end="hang"),
    "stops in a chunk": Answer(raw=JSON + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{", end="hang"),
    "stops before the last chunk": Answer(raw=JSON + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(BODY), end="hang"),
    "stops in a stream": Answer(raw=EVENTS + b'\r\ndata: {"choices": []}\n\n', end="hang"),
    "drips a body for ever": Answer(raw=endless(JSON + b"\r\n", b" "), drip=0.02),
    "drips headers for ever": Answer(raw=endless(JSON + b"X: ", b"x"), drip=0.02),
    "drips comments into a stream for ever": Answer(raw=endless(EVENTS + b"\r\n", b": busy\n\n"), drip=0.02),
    "drips promises of an answer for ever": Answer(raw=endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), drip=0.02),
    "floods with promises": Answer(raw=endless(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 100)),
}


@pytest.mark.parametrize("name", HANGS)
def test_a_server_that_hangs_meets_the_deadline(name: str) -> None:
    attacked, after = attack(HANGS[name], seconds=0.2)
    assert attacked.kind == "timeout", attacked
    assert re.search(r"no complete reply within 0(\.[0-2]\d*)? s", attacked.words), attacked
    assert after.reply is not None, after


FLOODS: dict[str, Answer] = {
    "a body without end": Answer(raw=endless(JSON + b"\r\n", b" " * PIECE)),
    "a body of two gigabytes": Answer(raw=endless(JSON + b"Content-Length: 2147483648\r\n\r\n", b" " * PIECE)),
    "chunks without end": Answer(raw=endless(JSON + b"Transfer-Encoding: chunked\r\n\r\n", chunked(b" " * PIECE))),
    "a line of a stream without end": Answer(raw=endless(EVENTS + b"\r\ndata: ", b"x" * PIECE)),
    "an event without end": Answer(raw=endless(EVENTS + b"\r\n", b"data: " + b"x" * PIECE + b"\n")),
    "a gzip bomb": Answer(body=gzip.compress(bytes(2**26)), headers={"Content-Encoding": "gzip"}),
    "a deflate bomb": Answer(body=zlib.compress(bytes(2**26)), headers={"Content-Encoding": "deflate"}),
    "a packed name without end": Answer(
        raw=endless(JSON + b"Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x08\0\0\0\0\0\x03", b"n" * PIECE)
    ),
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_is_given_up_at_16_mb(name: str) -> None:
    attacked, after = attack(FLOODS[name])
    assert attacked.kind == "bad_reply", attacked
    assert "larger than 16 MB" in attacked.words
    assert (attacked.exchange.status, attacked.error and attacked.error.status) == (200, 200)
    assert after.reply is not None, after


NONSENSE: dict[str, tuple[Answer, FailureKind, str]] = {
    "HTTP/0.9": (Answer(raw=BODY), "bad_reply", "not HTTP"),
    "HTTP/2": (Answer(raw=bytes.fromhex("000000040000000000"), end="hang"), "bad_reply", "not HTTP"),
    "HTTP/3.7": (Answer(raw=b"HTTP/3.7 200 OK\r\n\r\n"), "bad_reply", "not HTTP"),
    "SMTP": (Answer(raw=b"220 mail ESMTP\r\n", end="hang"), "bad_reply", "not HTTP"),
    "TLS": (Answer(raw=bytes.fromhex("15030100020246"), end="hang"), "bad_reply", "not HTTP"),
    "no status": (Answer(raw=b"HTTP/1.1 OK\r\n" + LENGTH + b"\r\n" + BODY), "bad_reply", "not HTTP"),
    "a header without colon": (Answer(raw=JSON + b"nonsense\r\n\r\n{}"), "bad_reply", "not HTTP"),
    "a header with NUL": (Answer(raw=JSON + b"X-A: a\0b\r\n\r\n{}"), "bad_reply", "not HTTP"),
    "a header without end": (Answer(raw=endless(JSON + b"X-A: ", b"a" * PIECE)), "bad_reply", "not HTTP"),
    "a header's name without end": (Answer(raw=endless(JSON, b"a" * PIECE)), "bad_reply", "not HTTP"),
    "a status line without end": (Answer(raw=endless(b"HTTP/1.1 200 ", b"a" * PIECE)), "bad_reply", "not HTTP"),
    "headers without end": (Answer(raw=endless(JSON, b"X-A: b\r\n" * 1000)), "bad_reply", "not HTTP"),
    "trailers without end": (
        Answer(raw=endless(JSON + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-A: b\r\n" * 1000)),
        "bad_reply",
        "not HTTP",
    ),
    "a chunk's extension without end": (
        Answer(raw=endless(JSON + b"Transfer-Encoding: chunked\r\n\r\n5;a=", b"b" * PIECE)),
        "bad_reply",
        "not HTTP",
    ),
    "two lengths": (
        Answer(raw=JSON + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
        "bad_reply",
        "not HTTP",
    ),
    "a length and chunks": (
        Answer(raw=JSON + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
        "bad_reply",
        "not HTTP",
    ),
    "a length in words": (Answer(raw=JSON + b"Content-Length: two\r\n\r\n{}"), "bad_reply", "not HTTP"),
    "a negative length": (Answer(raw=JSON + b"Content-Length: -2\r\n\r\n{}"), "bad_reply", "not HTTP"),
    "a chunk of more than there is": (
        Answer(raw=JSON + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}"),
        "bad_reply",
        "not HTTP",
    ),
    "a chunk of negative length": (
        Answer(raw=JSON + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}"),
        "bad_reply",
        "not HTTP",
    ),
    "a body after 204": (
        Answer(raw=b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n{}"),
        "bad_reply",
        "not HTTP",
    ),
    "no content": (Answer(raw=b"HTTP/1.1 204 No Content\r\n\r\n", end="keep"), "bad_reply", "(empty)"),
    "another protocol": (
        Answer(raw=b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nx", end="hang"),
        "bad_reply",
        "does not answer the request (101)",
    ),
    "status 0": (Answer(raw=b"HTTP/1.1 000 No\r\nContent-Length: 0\r\n\r\n"), "bad_reply", "(0)"),
    "status 999": (Answer(raw=b"HTTP/1.1 999 Odd\r\nContent-Length: 4\r\n\r\nwhat"), "server", "(999): what"),
    "a redirect to itself": (
        Answer(status=307, headers={"Location": "/v1/chat/completions"}),
        "request",
        "redirects are not followed",
    ),
    "packed twice": (
        Answer(body=gzip.compress(gzip.compress(BODY)), headers={"Content-Encoding": "gzip, gzip"}),
        "bad_reply",
        "packed by 'gzip, gzip'",
    ),
    "packed once, told twice": (
        Answer(raw=JSON + b"Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(BODY)),
        "bad_reply",
        "packed by 'gzip, gzip'",
    ),
    "packed, and more after it": (
        Answer(raw=endless(JSON + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(BODY), b"x" * PIECE)),
        "bad_reply",
        "goes on after its end",
    ),
    "packed by zstd": (Answer(body=b"{}", headers={"Content-Encoding": "zstd"}), "bad_reply", "packed by 'zstd'"),
    "many small values": (
        Answer(body=b'{"choices": [' + b"{}," * 600_000 + b"{}]}"),
        "bad_reply",
        "more than 500000 values",
    ),
    "deep, and escaped": (
        Answer(body=b'{"a": ' + b"[" * 900 + b'"\\u0041"' + b"]" * 900 + b"}"),
        "bad_reply",
        "",
    ),
    "a deep error": (Answer(body=b'{"error": ' + b"[" * 900 + b"]" * 900 + b"}"), "server", "in place of a reply"),
    "a stream without events": (
        Answer(body=b"hello\n\nthere\n\n", headers={"Content-Type": "text/event-stream"}),
        "connection",
        "ended in the middle",
    ),
    "a document called a stream": (
        Answer(body=BODY, headers={"Content-Type": "text/event-stream"}),
        "connection",
        "ended in the middle",
    ),
    "a stream called a document": (
        Answer(body=b"data: {}\n\n", headers={"Content-Type": "application/json"}),
        "bad_reply",
        "not JSON",
    ),
    "calls without end": (
        Answer(
            body=b"".join(
                b'data: {"choices": [{"delta": {"tool_calls": [{"index": %d}]}}]}\n\n' % n for n in range(1025)
            ),
            headers={"Content-Type": "text/event-stream"},
        ),
        "bad_reply",
        "more than 1024 tool calls",
    ),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_is_an_error_that_says_what_it_is(name: str) -> None:
    answer, kind, words = NONSENSE[name]
    attacked, after = attack(answer)
    assert (attacked.kind, words in attacked.words) == (kind, True), attacked
    assert attacked.words.startswith("acme")
    assert attacked.words.isprintable()
    assert len(attacked.words) < 700
    assert after.reply is not None, after


@pytest.mark.parametrize(
    ("status", "kind"), [(401, "auth"), (404, "not_found"), (422, "request"), (429, "rate_limit"), (503, "server")]
)
@pytest.mark.parametrize(
    "answer",
    [
        Answer(raw=lambda: chain([HEAD, b'{"error": {"message": "beca'], repeat(b"u" * PIECE))),
        Answer(raw=lambda: [HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: br\r\n\r\n"), b"junk"]),
        Answer(raw=lambda: [HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n"), b"junk"]),
        Answer(raw=lambda: [HEAD.replace(b"\r\n\r\n", b"\r\nContent-Length: 99\r\n\r\n"), b"gone"], end="reset"),
        Answer(raw=lambda: [HEAD, b"\xff\xfe" + b"[" * 100_000]),
    ],
    ids=["endless", "packed by br", "not packed", "reset", "binary and deep"],
)
def test_the_status_of_an_error_counts_whatever_its_body_is(answer: Answer, status: int, kind: FailureKind) -> None:
    assert callable(answer.raw)
    pieces = answer.raw
    number = str(status).encode()
    told = Answer(raw=lambda: (piece.replace(b"429", number, 1) for piece in pieces()), end=answer.end)
    attacked, after = attack(told)
    assert (attacked.kind, attacked.exchange.status) == (kind, status), attacked
    assert attacked.error is not None
    assert attacked.error.retry_after == 3
    assert after.reply is not None


def test_the_body_of_an_error_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "EXCUSE", 0.1)
    attacked, after = attack(Answer(raw=HEAD + b"slow do", end="hang"))
    assert (attacked.kind, "(429): slow do" in attacked.words) == ("rate_limit", True), attacked
    assert after.reply is not None
