"""The wire format of OpenAI chat completions, which most gateways and local servers speak too.

Source: https://developers.openai.com/api/reference/resources/chat/subresources/completions/methods/create
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptops.core.wire.openai_chat import OPENAI_CHAT
from promptops.core.wire.spec import Spec
from promptops.models import Json, Reply, Request
from promptops.providers.openai_chat_body import chat_message, chat_schema, chat_tool_choice
from promptops.providers.openai_chat_shape import (
    first,
    refuse_broken_choice,
    refuse_errors,
    text_of,
    thought_in,
    tool_calls,
    usage_in,
)
from promptops.providers.openai_chat_stream import ChatChunks
from promptops.providers.reading import at_tier, listing, mapping, number, string, string_or_none, usage_of
from promptops.providers.wire import Wire

# A reply without content is what the model said when it ran into its limit or a filter, or when it thought and then
# said nothing; otherwise it is no reply.
_EMPTY_IS_AN_ANSWER = frozenset({"length", "content_filter"})


class OpenAIChat(Wire):
    """`POST /chat/completions`, streamed or not."""

    route = "/chat/completions"

    def __init__(self, spec: Spec = OPENAI_CHAT, *, drop_unsupported: bool = False) -> None:
        super().__init__(spec, drop_unsupported=drop_unsupported)

    def write(self, request: Request, params: Mapping[str, Any], *, stream: bool) -> dict[str, Any]:
        """Messages as they are, tools in our own shape, which is OpenAI's."""
        body: dict[str, Any] = {
            "model": request.pin.model,
            "messages": [chat_message(message, self.spec.roles) for message in self.messages(request, params)],
        }
        if stream:
            body["stream"], body["stream_options"] = True, {"include_usage": True}
        if request.tools:
            body["tools"] = [dict(tool) for tool in request.tools]
        if "tool_choice" in params:
            body["tool_choice"] = chat_tool_choice(params["tool_choice"])
        if (schema := self.native_schema(request, params)) is not None:
            body["response_format"] = chat_schema(schema)
        return body

    def reply(self, document: Mapping[str, Any]) -> Reply:
        """Read the first choice; raises `ProviderError` for an error in a reply of status 200, or a wrong shape."""
        refuse_errors(document)
        choice = mapping(first(document.get("choices"), "choices"), "choices[0]")
        reason = self.stop_reason(string_or_none(choice.get("finish_reason"), "choices[0].finish_reason"))
        refuse_broken_choice(choice)
        message = mapping(choice.get("message"), "choices[0].message")
        calls = tool_calls(message.get("tool_calls"))
        return Reply(
            text=_text(message, reason, calls),
            finish_reason=reason,
            usage=at_tier(
                usage_of(self.spec.usage, usage_in(document), instead=self.spec.usage_instead),
                document.get("service_tier"),
            ),
            served_model=string_or_none(document.get("model"), "model"),
            tool_calls=calls,
            logprobs=logprobs_of(choice.get("logprobs")),
            fingerprint=_named(document.get("system_fingerprint")),
            host=_named(document.get("provider")),
        )

    def chunks(self) -> ChatChunks:
        """What adds up the chunks of one streamed reply."""
        return ChatChunks()


def _named(value: Any) -> str | None:
    """Who served, by name: OpenAI's `system_fingerprint`, OpenRouter's `provider`. What is no text says nothing."""
    return value[:200] if isinstance(value, str) and value else None


def logprobs_of(value: Any) -> tuple[Mapping[str, Json], ...]:
    """Return the log probabilities of a choice; none where it has none, or those of an older format."""
    if not isinstance(value, dict):
        return ()
    return tuple(token_of(item) for item in listing(value.get("content"), "choices[0].logprobs.content"))


def token_of(value: Any) -> Mapping[str, Json]:
    """Return one token with its log probability and those of the likeliest ones in its place."""
    item = mapping(value, "a token's log probability")
    top = listing(item.get("top_logprobs"), "a token's top_logprobs")
    return {**_pair(item), "top": [_pair(mapping(other, "a token's top_logprobs")) for other in top]}


def _pair(item: Mapping[str, Any]) -> dict[str, Json]:
    return {"token": string(item.get("token"), "a token"), "logprob": number(item.get("logprob"), "a log probability")}


def _text(message: Mapping[str, Any], reason: str | None, calls: tuple[Mapping[str, Any], ...]) -> str:
    content = text_of(message.get("content"))
    if content is None and isinstance(message.get("refusal"), str):
        content = message["refusal"]
    if content is None and (calls or reason in _EMPTY_IS_AN_ANSWER or (reason and thought_in(message))):
        return ""
    return string(content, "choices[0].message.content")
