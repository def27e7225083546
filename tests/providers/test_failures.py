from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest

from promptops.errors import FailureKind
from promptops.providers.failures import kind_of, of_exception, of_status
from promptops.providers.replies import MAX_MESSAGE, error_message, excerpt, retry_after

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)

HTTPX: dict[str, FailureKind] = {
    "HTTPError": "connection",
    "RequestError": "connection",
    "TransportError": "connection",
    "TimeoutException": "timeout",
    "ConnectTimeout": "timeout",
    "ReadTimeout": "timeout",
    "WriteTimeout": "timeout",
    "PoolTimeout": "timeout",
    "NetworkError": "connection",
    "ReadError": "connection",
    "WriteError": "connection",
    "ConnectError": "connection",
    "CloseError": "connection",
    "ProxyError": "connection",
    "UnsupportedProtocol": "request",
    "ProtocolError": "connection",
    "LocalProtocolError": "request",
    "RemoteProtocolError": "bad_reply",
    "DecodingError": "bad_reply",
    "TooManyRedirects": "request",
    "HTTPStatusError": "bad_reply",
    "InvalidURL": "request",
    "CookieConflict": "request",
    "StreamError": "bad_reply",
    "StreamConsumed": "bad_reply",
    "StreamClosed": "bad_reply",
    "ResponseNotRead": "bad_reply",
    "RequestNotRead": "bad_reply",
}


def subclasses(root: type[BaseException]) -> Iterator[type[BaseException]]:
    yield root
    for child in root.__subclasses__():
        yield from subclasses(child)


def exceptions_of_httpx() -> list[type[BaseException]]:
    roots = (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, httpx.StreamError)
    found = {kind for root in roots for kind in subclasses(root) if kind.__module__.split(".")[0] == "httpx"}
    return sorted(found, key=lambda kind: kind.__name__)


def test_every_exception_of_httpx_has_a_kind_that_somebody_thought_about() -> None:
    assert {kind.__name__ for kind in exceptions_of_httpx()} == set(HTTPX)
    public = {value for value in vars(httpx).values() if isinstance(value, type) and issubclass(value, Exception)}
    assert public <= set(exceptions_of_httpx())


@pytest.mark.parametrize("kind", exceptions_of_httpx(), ids=lambda kind: kind.__name__)
def test_an_exception_of_httpx_becomes_its_kind(kind: type[BaseException]) -> None:
    error = kind.__new__(kind)
    assert kind_of(error) == HTTPX[kind.__name__]
    assert isinstance(error, Exception)
    assert of_exception(error, provider="acme", url="https://x").kind == HTTPX[kind.__name__]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimeoutError(), "timeout"),
        (ConnectionResetError("reset"), "connection"),
        (ssl.SSLCertVerificationError("bad certificate"), "connection"),
        (OSError("no route"), "connection"),
        (UnicodeError("host"), "request"),
    ],
)
def test_errors_of_the_socket_have_kinds_too(error: Exception, kind: FailureKind) -> None:
    assert kind_of(error) == kind


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (
            401,
            b'{"error": {"message": "bad key"}}',
            "auth",
            "acme refuses the key (401): bad key [the key is $ACME_API_KEY]",
        ),
        (402, b"{}", "auth", "refuses the key (402)"),
        (404, b'{"error": "gone"}', "not_found", "'m-1' is retired or misspelt"),
        (429, b'{"error": {"message": "quota", "code": "insufficient_quota"}}', "auth", "quota"),
        (429, b'{"detail": "slow down"}', "rate_limit", "asks to slow down (429): slow down"),
        (
            400,
            b'{"error": {"message": "context length", "code": "exceed_context_size_error"}}',
            "request",
            "context length",
        ),
        (418, b"", "request", "(empty)"),
        (503, b"<html><style>p{}</style><p>Bad   Gateway</p></html>", "server", "(503): Bad Gateway"),
        (599, b"\xff\xfe", "server", "(599)"),
        (302, b"", "request", "redirects"),
    ],
)
def test_a_status_becomes_a_kind_with_the_providers_own_words(
    status: int, body: bytes, kind: FailureKind, words: str
) -> None:
    error = of_status(status, {}, body, provider="acme", model="m-1", key="ACME_API_KEY")
    assert (error.kind, error.status) == (kind, status)
    assert words in str(error)


def test_a_refusal_without_key_says_that_none_was_sent() -> None:
    error = of_status(401, {}, b"", provider="acme", model="m", key=None)
    assert "no key was sent: api_key_env is not set" in str(error)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "Sun, 22 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Sun, 22 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "Sun, 22 Nov 2026 12:00:30"}, 30.0),
        ({"retry-after": "Wed, 01 Jan 2020 00:00:07 GMT", "date": "Wed, 01 Jan 2020 00:00:00 GMT"}, 7.0),
        ({"retry-after": "Sun, 22 Nov 2026 12:00:30 GMT", "date": "soon"}, 30.0),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "Sun, 99 Nov 99999 12:00:30 GMT"}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"error": {"message": "no", "code": 7}}', ("no", "7")),
        (b'{"error": {"message": null, "type": "t"}}', ('{"message": null, "type": "t"}', "t")),
        (b'{"message": "m"}', ("m", "")),
        (b'{"detail": [{"msg": "x"}]}', ('[{"msg": "x"}]', "")),
        (b'"text"', ("text", "")),
        (b"[1]", ("[1]", "")),
        (b'[{"error": {"code": 429, "message": "slow"}}]', ("slow", "429")),
        (b"plain \x1b[31mred\x07 text\n\nnext", ("plain [31mred text next", "")),
        (b"[" * 100_000, ("[" * (MAX_MESSAGE - 1) + "…", "")),
    ],
)
def test_error_messages_are_found_in_every_dialect_and_made_harmless(body: bytes, expected: tuple[str, str]) -> None:
    assert error_message(body) == expected


def test_an_excerpt_is_one_bounded_line() -> None:
    line = excerpt("a\r\n::error::b\u202e" + "x" * 10_000)
    assert line.startswith("a ::error::b x")
    assert len(line) == MAX_MESSAGE
    assert line.isprintable()
