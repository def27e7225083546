"""What the loopback server answers, as bytes of HTTP/1.1.

Source of the wire format: https://platform.openai.com/docs/api-reference/chat (object, streaming, errors).
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Literal

from msgspec import Struct, field

_AFTER_BLANK = re.compile("(?<= )")


class Answer(Struct, frozen=True):
    """One answer of the `LoopbackServer`. Everything has a default: change what the test is about.

    `delay` is seconds before the first byte (None: the server's latency), `drip` seconds between the single bytes of
    the body. `model` None names the model that was asked for, `usage` None counts words. `error` is the message of a
    status of 400 and up, `code` its code. `refusal` is said in place of the text. `body` replaces the JSON body, `raw`
    the whole response with its status line: bytes, or a function that returns the pieces to send, `drip` seconds apart,
    endless where it never ends. An empty `model`, or `fields` that override the top level of the JSON, make a reply
    that lies.

    Where the request asks for a stream, `chunks` are its pieces (None: words), `done` says whether `[DONE]` ends it.

    `drop` stops after that many bytes of the response. `end` is what becomes of the connection then: `keep` it for the
    next request, `close` it, `reset` it (TCP's RST), or `hang`: it stays open, and nothing more comes. None closes it
    after `drop` and `raw`, and keeps it otherwise.
    """

    text: str | None = "ok"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float | None = None
    drip: float = 0.0
    finish_reason: str | None = "stop"
    model: str | None = None
    usage: tuple[int, int] | None = None
    tool_calls: Sequence[Mapping[str, Any]] = ()
    refusal: str | None = None
    error: str = ""
    code: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    body: bytes | None = None
    raw: bytes | Callable[[], Iterable[bytes]] | None = None
    drop: int | None = None
    end: Literal["keep", "close", "reset", "hang"] | None = None
    chunks: Sequence[str] | None = None
    done: bool = True

    @property
    def ending(self) -> Literal["keep", "close", "reset", "hang"]:
        """What becomes of the connection after this answer."""
        return self.end or ("keep" if self.drop is None and self.raw is None else "close")


def render_response(answer: Answer, asked: Mapping[str, Any]) -> bytes:
    """Return the whole response to the request body `asked`, not streamed."""
    if answer.raw is not None:
        return answer.raw if isinstance(answer.raw, bytes) else b"".join(answer.raw())
    body = answer.body if answer.body is not None else json.dumps(_document(answer, asked)).encode()
    return head(answer, {"Content-Type": "application/json", "Content-Length": str(len(body))}) + body


def render_stream(answer: Answer, asked: Mapping[str, Any]) -> Iterator[bytes]:
    """Yield the response to `asked` as server-sent events, chunk by chunk."""
    yield head(answer, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"})
    base = {**_common(answer, asked), "object": "chat.completion.chunk"}
    deltas = [(delta, None) for delta in _deltas(answer)]
    for delta, reason in [*deltas, ({}, answer.finish_reason)]:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        yield _event({**base, "choices": [choice], **answer.fields})
    if (asked.get("stream_options") or {}).get("include_usage"):
        yield _event({**base, "choices": [], "usage": _usage(answer, asked), **answer.fields})
    yield (_chunk(b"data: [DONE]\n\n") if answer.done else b"") + _chunk(b"")


def _deltas(answer: Answer) -> Iterator[dict[str, Any]]:
    """Yield what a stream says of the message: who speaks, then a piece at a time."""
    if answer.text is None:
        yield {"role": "assistant", "content": None}
    else:
        yield {"role": "assistant", "content": ""}
        for piece in _AFTER_BLANK.split(answer.text) if answer.chunks is None else answer.chunks:
            yield {"content": piece}
    if answer.refusal is not None:
        for piece in _AFTER_BLANK.split(answer.refusal):
            yield {"refusal": piece}
    for index, call in enumerate(answer.tool_calls):
        function = dict(call.get("function") or {})
        arguments = str(function.pop("arguments", ""))
        yield {"tool_calls": [{"index": index, **call, "function": {**function, "arguments": ""}}]}
        for piece in (arguments[: len(arguments) // 2], arguments[len(arguments) // 2 :]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def head(answer: Answer, headers: Mapping[str, str]) -> bytes:
    """Return status line and headers; those of the answer replace ours of the same name."""
    own = {name.lower() for name in answer.headers}
    lines = [f"{name}: {value}" for name, value in headers.items() if name.lower() not in own]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    try:
        phrase = HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = "Unknown"
    return (f"HTTP/1.1 {answer.status} {phrase}\r\n" + "\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _document(answer: Answer, asked: Mapping[str, Any]) -> dict[str, Any]:
    if answer.status >= 400:
        reason = answer.error or f"status {answer.status}, as the test wants it"
        return {"error": {"message": reason, "type": "error", "param": None, "code": answer.code}, **answer.fields}
    message: dict[str, Any] = {"role": "assistant", "content": answer.text}
    if answer.refusal is not None:
        message["refusal"] = answer.refusal
    if answer.tool_calls:
        message["tool_calls"] = list(answer.tool_calls)
    choice = {"index": 0, "message": message, "finish_reason": answer.finish_reason, "logprobs": None}
    document = {**_common(answer, asked), "object": "chat.completion", "choices": [choice]}
    return {**document, "usage": _usage(answer, asked), **answer.fields}


def _common(answer: Answer, asked: Mapping[str, Any]) -> dict[str, Any]:
    model = asked.get("model") if answer.model is None else answer.model
    return {"id": "chatcmpl-loopback", "created": int(time.time()), "model": model}


def _usage(answer: Answer, asked: Mapping[str, Any]) -> dict[str, int]:
    given = answer.usage or (_words(asked), len((answer.text or "").split()))
    return {"prompt_tokens": given[0], "completion_tokens": given[1], "total_tokens": sum(given)}


def _words(asked: Mapping[str, Any]) -> int:
    messages = asked.get("messages")
    if not isinstance(messages, list):
        return 0
    return sum(len(str(message.get("content", "")).split()) for message in messages if isinstance(message, dict))


def _event(document: Mapping[str, Any]) -> bytes:
    return _chunk(b"data: " + json.dumps(document).encode() + b"\n\n")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)
