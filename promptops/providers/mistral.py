"""The wire format of Mistral's chat completions: OpenAI's, but for files, thoughts and the arguments of calls.

Source: https://docs.mistral.ai/api/endpoint/chat, and the models of the vendor's SDK that is made from it:
https://github.com/mistralai/client-python/tree/main/src/mistralai/client/models
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from promptops.core.wire.mistral import MISTRAL
from promptops.core.wire.spec import Spec
from promptops.models import Media, Message, Reply, Request
from promptops.providers.media import data_url
from promptops.providers.openai_chat import OpenAIChat
from promptops.providers.openai_chat_body import chat_message
from promptops.providers.openai_chat_shape import tool_calls
from promptops.providers.openai_chat_stream import ChatChunks
from promptops.providers.reading import mapping


class Mistral(OpenAIChat):
    """`POST /chat/completions` at api.mistral.ai."""

    def __init__(self, spec: Spec = MISTRAL, *, drop_unsupported: bool = False) -> None:
        super().__init__(spec, drop_unsupported=drop_unsupported)

    def write(self, request: Request, params: Mapping[str, Any], *, stream: bool) -> dict[str, Any]:
        """As OpenAI; a stream counts its tokens unasked, and `stream` is sent in any case, as the SDK does."""
        body = super().write(request, params, stream=stream)
        body["messages"] = [self._message(message) for message in self.messages(request, params)]
        body.pop("stream_options", None)
        body["stream"] = stream
        return body

    def reply(self, document: Mapping[str, Any]) -> Reply:
        """As OpenAI, with arguments of calls that may be objects."""
        choices = document.get("choices")
        if isinstance(choices, list) and choices and isinstance(choices[0], dict):
            choice = {**choices[0], "message": _plain(choices[0].get("message"))}
            document = {**document, "choices": [choice]}
        return super().reply(document)

    def chunks(self) -> MistralChunks:
        """What adds up the chunks of one streamed reply."""
        return MistralChunks()

    def _message(self, message: Message) -> dict[str, Any]:
        made = chat_message(message, self.spec.roles)
        if message.parts:
            made["content"] = [
                _file(part) or written for part, written in zip(message.parts, made["content"], strict=True)
            ]
        return made


class MistralChunks(ChatChunks):
    """Adds up chunks whose content may be a list with thoughts in it."""

    def _add_choice(self, choice: Mapping[str, Any]) -> None:
        delta = _plain(choice.get("delta"))
        if isinstance(delta, dict) and isinstance(content := delta.get("content"), list):
            thoughts = [part for part in content if isinstance(part, dict) and part.get("type") == "thinking"]
            delta = {**delta, "reasoning_content": thoughts}  # where ChatChunks looks whether the model has begun
        super()._add_choice({**choice, "delta": delta})


def _file(part: str | Media) -> dict[str, Any] | None:
    if isinstance(part, str) or part.kind != "file":
        return None
    return {"type": "document_url", "document_url": data_url(part), "document_name": part.name}


def _plain(message: Any) -> Any:
    """Return a message or delta with the arguments of its calls as text, and without the id "null", which is none."""
    if not isinstance(message, dict) or not message.get("tool_calls"):
        return message
    return {**message, "tool_calls": [_call(call) for call in tool_calls(message["tool_calls"])]}


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    made = {name: value for name, value in call.items() if name != "id" or value != "null"}
    function = made.get("function")
    if function is not None and not isinstance(
        mapping(function, "a tool call's function").get("arguments"), str | None
    ):
        made["function"] = {**function, "arguments": json.dumps(function["arguments"], ensure_ascii=False)}
    return made
