"""The wire format of OpenAI chat completions, which most gateways and local servers speak too.

Source: https://platform.openai.com/docs/api-reference/chat/create
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptops.models import Reply, Request
from promptops.providers.openai_chat_shape import (
    first,
    mapping,
    refuse_broken_choice,
    refuse_errors,
    string,
    string_or_none,
    text_of,
    tool_calls,
    usage,
)
from promptops.providers.openai_chat_stream import ChatChunks

# A reply without text is what the model said when it ran into its limit or a filter; otherwise it is no reply.
_EMPTY_IS_AN_ANSWER = frozenset({"length", "content_filter"})


class OpenAIChat:
    """`POST /chat/completions`, streamed or not.

    `limit_name` is how `max_tokens` is called on the wire: OpenAI's newer models want `max_completion_tokens`.
    """

    path = "/chat/completions"

    def __init__(self, *, limit_name: str = "max_tokens") -> None:
        self._limit_name = limit_name

    def headers(self, key: str | None) -> dict[str, str]:
        """The key as a bearer token."""
        return {"authorization": f"Bearer {key}"} if key else {}

    def body(self, request: Request, seed: int | None, *, stream: bool = False) -> dict[str, Any]:
        """Params under their own names, `extra_body` merged last; a `seed` among them goes before the sample's."""
        body: dict[str, Any] = {
            "model": request.pin.model,
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        }
        if seed is not None:
            body["seed"] = seed
        if stream:
            body["stream"], body["stream_options"] = True, {"include_usage": True}
        for name, value in request.params.items():
            if name != "extra_body":
                body[self._limit_name if name == "max_tokens" else name] = value
        if request.tools:
            body["tools"] = [dict(tool) for tool in request.tools]
        extra = request.params.get("extra_body")
        return {**body, **extra} if isinstance(extra, Mapping) else body

    def reply(self, document: Mapping[str, Any]) -> Reply:
        """Read the first choice; raises `ProviderError` for an error in a reply of status 200, or a wrong shape."""
        refuse_errors(document)
        choice = mapping(first(document.get("choices"), "choices"), "choices[0]")
        reason = string_or_none(choice.get("finish_reason"), "choices[0].finish_reason")
        refuse_broken_choice(choice)
        message = mapping(choice.get("message"), "choices[0].message")
        calls = tool_calls(message.get("tool_calls"))
        return Reply(
            text=_text(message, reason, calls),
            finish_reason=reason,
            usage=usage(document.get("usage")),
            served_model=string_or_none(document.get("model"), "model"),
            tool_calls=calls,
        )

    def chunks(self) -> ChatChunks:
        """What adds up the chunks of one streamed reply."""
        return ChatChunks()


def _text(message: Mapping[str, Any], reason: str | None, calls: tuple[Mapping[str, Any], ...]) -> str:
    content = text_of(message.get("content"))
    if content is None and isinstance(message.get("refusal"), str):
        content = message["refusal"]
    if content is None and (calls or reason in _EMPTY_IS_AN_ANSWER):
        return ""
    return string(content, "choices[0].message.content")
