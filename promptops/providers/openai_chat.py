"""The wire format of OpenAI chat completions, which most gateways and local servers speak too.

Source: https://platform.openai.com/docs/api-reference/chat/create
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from promptops.errors import ProviderError
from promptops.models import Reply, Request, Usage
from promptops.providers.replies import excerpt

# A reply without text is what the model said when it ran into its limit or a filter; otherwise it is no reply.
_EMPTY_IS_AN_ANSWER = frozenset({"length", "content_filter"})


class OpenAIChat:
    """`POST /chat/completions`, not streamed.

    `limit_name` is how `max_tokens` is called on the wire: OpenAI's newer models want `max_completion_tokens`.
    """

    path = "/chat/completions"

    def __init__(self, *, limit_name: str = "max_tokens") -> None:
        self._limit_name = limit_name

    def headers(self, key: str | None) -> dict[str, str]:
        """The key as a bearer token."""
        return {"authorization": f"Bearer {key}"} if key else {}

    def body(self, request: Request, seed: int | None) -> dict[str, Any]:
        """Params under their own names, `extra_body` merged last; a `seed` among them goes before the sample's."""
        body: dict[str, Any] = {
            "model": request.pin.model,
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        }
        if seed is not None:
            body["seed"] = seed
        for name, value in request.params.items():
            if name != "extra_body":
                body[self._limit_name if name == "max_tokens" else name] = value
        if request.tools:
            body["tools"] = [dict(tool) for tool in request.tools]
        extra = request.params.get("extra_body")
        return {**body, **extra} if isinstance(extra, Mapping) else body

    def reply(self, document: Mapping[str, Any]) -> Reply:
        """Read the first choice; raises `ProviderError` for an error in a reply of status 200, or a wrong shape."""
        if document.get("error"):
            raise ProviderError("server", f"an error in place of a reply: {excerpt(str(document['error']))}")
        if document.get("truncated") is True:
            raise ProviderError("identity", "the server cut the prompt to fit its context")
        choice = _mapping(_sequence(document.get("choices"), "choices"), "choices[0]")
        reason = _text_or_none(choice.get("finish_reason"), "choices[0].finish_reason")
        if reason == "error" or choice.get("error"):
            raise ProviderError("server", f"the model's host failed midway: {excerpt(str(choice.get('error', '')))}")
        message = _mapping(choice.get("message"), "choices[0].message")
        calls = _tool_calls(message.get("tool_calls"))
        return Reply(
            text=_text(message, reason, calls),
            finish_reason=reason,
            usage=_usage(document.get("usage")),
            served_model=_text_or_none(document.get("model"), "model"),
            tool_calls=calls,
        )


def _text(message: Mapping[str, Any], reason: str | None, calls: tuple[Mapping[str, Any], ...]) -> str:
    content = message.get("content")
    if isinstance(content, list):  # some servers answer in parts, as requests may be written
        parts = [_mapping(part, "a part of the content") for part in content]
        content = "".join(_string(part.get("text"), "a part's text") for part in parts if part.get("type") == "text")
    if content is None and isinstance(message.get("refusal"), str):
        content = message["refusal"]
    if content is None and (calls or reason in _EMPTY_IS_AN_ANSWER):
        return ""
    return _string(content, "choices[0].message.content")


def _tool_calls(value: Any) -> tuple[Mapping[str, Any], ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise _wrong("choices[0].message.tool_calls", "a list", value)
    return tuple(_mapping(call, "a tool call") for call in value)


def _usage(value: Any) -> Usage:
    if value is None:
        return Usage()
    usage = _mapping(value, "usage")
    return Usage(_count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")))


def _count(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise _wrong("usage", "counts of tokens", value)
    return value


def _sequence(value: Any, name: str) -> Any:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise _wrong(name, "a list with one choice", value)
    return value[0]


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _wrong(name, "an object", value)
    return value


def _string(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise _wrong(name, "a text", value)
    return value


def _text_or_none(value: Any, name: str) -> str | None:
    return None if value is None else _string(value, name)


def _wrong(name: str, wanted: str, value: Any) -> ProviderError:
    found = "missing" if value is None else excerpt(repr(value)[:200])
    return ProviderError("bad_reply", f"the reply is no chat completion: {name} must be {wanted}, and is {found}")
