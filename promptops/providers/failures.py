"""One word for everything that can go wrong on the way to a model: HTTP statuses and library errors become kinds."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator, Mapping
from typing import Any

from promptops.errors import FailureKind, ProviderError
from promptops.providers.replies import error_message, error_words, excerpt, retry_after

_STATUS: Mapping[int, FailureKind] = {
    401: "auth",
    402: "auth",
    403: "auth",
    404: "not_found",
    408: "timeout",
    409: "server",
    424: "server",  # Bedrock: the model, and not the request, failed
    425: "server",
    429: "rate_limit",
}
# What vendors call an error that comes without a status: in the middle of a stream, or in a reply of status 200.
# Sources: https://platform.claude.com/docs/en/api/errors, https://developers.openai.com/api/docs/guides/error-codes,
# https://ai.google.dev/gemini-api/docs/troubleshooting
_CODES: Mapping[str, FailureKind] = {
    "invalid_request_error": "request",
    "invalid_prompt": "request",
    "context_length_exceeded": "request",
    "request_too_large": "request",
    "INVALID_ARGUMENT": "request",
    "FAILED_PRECONDITION": "request",
    "authentication_error": "auth",
    "permission_error": "auth",
    "billing_error": "auth",
    "invalid_api_key": "auth",
    "PERMISSION_DENIED": "auth",
    "UNAUTHENTICATED": "auth",
    "not_found_error": "not_found",
    "model_not_found": "not_found",
    "NOT_FOUND": "not_found",
    "timeout_error": "timeout",
    "DEADLINE_EXCEEDED": "timeout",
    "RESOURCE_EXHAUSTED": "rate_limit",
    "content_filter": "request",  # Azure
    "tool_use_failed": "request",  # Groq, of a call that is not the tool's
    "exceed_context_size_error": "request",  # llama.cpp
    "BadRequestError": "request",  # vLLM
    "service_tier_capacity_exceeded": "rate_limit",  # Mistral
}
_CALLED = ("code", "status_code", "status", "type")  # what says what an error is, the surest first
_WORDS: Mapping[FailureKind, str] = {
    "auth": "refuses the key",
    "not_found": "does not know the model or path",
    "timeout": "gave up waiting",
    "rate_limit": "asks to slow down",
    "server": "is in trouble",
    "request": "refuses the request",
    "bad_reply": "does not answer the request",
}
_LOGIN = re.compile(r"//[^/\s]*@")  # in the URL of a proxy
_NO_MONEY = frozenset({"insufficient_quota", "billing_hard_limit_reached", "insufficient_balance"})


def kind_of_status(status: int, code: str = "") -> FailureKind:
    """Return the kind of a status that is no success; `code` is what the body calls the error."""
    if code in _NO_MONEY:
        return "auth"
    if status == 400 and _CODES.get(code) == "not_found":
        return "not_found"  # OpenAI's responses
    if status < 200:
        return "bad_reply"  # a promise of an answer in place of one
    return _STATUS.get(status, "server" if status >= 500 else "request")


def of_error_object(where: str, error: Any) -> ProviderError:
    """Return the error for one that came with status 200: gateways name the status of the model's host in `code`."""
    said, _ = error_words(error)
    called = [error.get(name) for name in _CALLED] if isinstance(error, Mapping) else []
    kinds = (_kind_of_name(name) for name in called)
    return ProviderError(next(filter(None, kinds), "server"), f"{where}: {said}")


def _kind_of_name(name: Any) -> FailureKind | None:
    """Return the kind of an error by one thing that it is called, or by its status; None where that says nothing."""
    code = str(name) if isinstance(name, str | int) else ""
    if code in _NO_MONEY:
        return "auth"
    if code.isascii() and code.isdigit() and len(code) == 3 and int(code) >= 400:
        return kind_of_status(int(code))
    return _CODES.get(code) or ("rate_limit" if "rate_limit" in code else None)


def of_status(
    status: int, headers: Mapping[str, str], body: bytes | bytearray, *, provider: str, model: str, key: str | None
) -> ProviderError:
    """Return the error for a reply whose status is no success. `key` names the variable of the key that was sent."""
    if 300 <= status < 400:
        return ProviderError(
            "request",
            f"{provider} redirects to {excerpt(headers.get('location', ''))}: redirects are not followed, "
            "set base_url to where it really is",
            status=status,
        )
    said, code = error_message(body)
    kind = kind_of_status(status, code)
    text = f"{provider} {_WORDS[kind]} ({status}): {said}"
    if kind == "auth":
        text += f" [the key is ${key}]" if key else " [no key was sent: api_key_env is not set]"
    elif kind == "not_found":
        text += f" [{model!r} is retired or misspelt, or base_url is wrong]"
    return ProviderError(kind, text, status=status, retry_after=retry_after(headers))


def of_exception(error: Exception, *, provider: str, url: str) -> ProviderError:
    """Return the `ProviderError` for anything that httpx, ssl or the socket raised while asking."""
    kind = kind_of(error)
    told = next((excerpt(str(link)) for link in _chain(error) if str(link)), type(error).__name__)
    told = _LOGIN.sub("//", told)
    what = {
        "timeout": "did not answer in time",
        "connection": "cannot be reached, or broke off",
        "bad_reply": "sent something that is not HTTP",
        "request": "cannot be asked like this",
    }[kind]
    refused = any(isinstance(link, OSError) and link.errno == errno.ECONNREFUSED for link in _chain(error))
    hint = " [is the server running?]" if refused else ""
    return ProviderError(kind, f"{provider} at {url} {what}: {told}{hint}")


def kind_of(error: BaseException) -> FailureKind:
    """Return the kind of a library's exception: `timeout`, `connection`, `bad_reply` or `request`."""
    import httpx

    table: tuple[tuple[tuple[type[BaseException], ...], FailureKind], ...] = (
        ((httpx.TimeoutException, TimeoutError), "timeout"),
        ((httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL, httpx.CookieConflict), "request"),
        ((httpx.TooManyRedirects,), "request"),
        ((httpx.DecodingError, httpx.HTTPStatusError, httpx.StreamError, httpx.RemoteProtocolError), "bad_reply"),
        ((RecursionError,), "bad_reply"),
        ((httpx.HTTPError, OSError, EOFError), "connection"),
        ((ValueError, TypeError), "request"),
    )
    return next((kind for types, kind in table if isinstance(error, types)), "connection")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(8):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__
