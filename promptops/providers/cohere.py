"""The wire format of Cohere's chat, version 2.

Sources: https://docs.cohere.com/reference/chat, https://docs.cohere.com/reference/chat-stream, and the types of the
vendor's SDK that is made from them: https://github.com/cohere-ai/cohere-python/tree/main/src/cohere/v2
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from promptops.core.wire.cohere import COHERE
from promptops.core.wire.spec import Spec
from promptops.errors import ProviderError
from promptops.models import Json, Message, Reply, Request, Usage
from promptops.providers.cohere_stream import CohereEvents
from promptops.providers.media import data_url
from promptops.providers.reading import listing, mapping, number, string, string_or_none, usage_of
from promptops.providers.wire import Wire


class Cohere(Wire):
    """`POST /v2/chat`; `base_url` is https://api.cohere.com. A reply does not name the model that made it."""

    route = "/v2/chat"
    says_model = False

    def __init__(self, spec: Spec = COHERE, *, drop_unsupported: bool = False) -> None:
        super().__init__(spec, drop_unsupported=drop_unsupported)

    def write(self, request: Request, params: Mapping[str, Any], *, stream: bool) -> dict[str, Any]:
        """Messages and tools nearly as OpenAI has them; the strictness of tools is one switch for all."""
        body: dict[str, Any] = {
            "model": request.pin.model,
            "messages": [_message(message, self.spec) for message in self.messages(request, params)],
            "stream": stream,
        }
        if request.tools:
            body["tools"], strict = _tools(request.tools)
            if strict:
                body["strict_tools"] = True
        if (choice := params.get("tool_choice", "auto")) != "auto":
            body["tool_choice"] = choice.upper()
        if (schema := self.native_schema(request, params)) is not None:
            body["response_format"] = {"type": "json_object", "json_schema": dict(schema)}
        return body

    def reply(self, document: Mapping[str, Any]) -> Reply:
        """Read the reply; raises `ProviderError` for one that the vendor broke off, or a wrong shape."""
        said = string_or_none(document.get("finish_reason"), "finish_reason")
        if said == "ERROR":
            raise ProviderError("server", "the vendor broke the reply off (finish_reason ERROR)")
        if said == "TIMEOUT":
            raise ProviderError("timeout", "the vendor broke the reply off (finish_reason TIMEOUT)")
        message = mapping(document.get("message"), "message")
        calls = tuple(_call(call) for call in listing(message.get("tool_calls"), "message.tool_calls"))
        parts = [mapping(part, "a part of the content") for part in listing(message.get("content"), "message.content")]
        return Reply(
            text="".join(string(part.get("text"), "a part's text") for part in parts if part.get("type") == "text"),
            finish_reason=self.stop_reason(said),
            usage=_usage(self.spec, document.get("usage")),
            tool_calls=calls,
            logprobs=tuple(_logprob(item) for item in listing(document.get("logprobs"), "logprobs")),
        )

    def chunks(self) -> CohereEvents:
        """What adds up the events of one streamed reply."""
        return CohereEvents()


def _message(message: Message, spec: Spec) -> dict[str, Any]:
    made: dict[str, Any] = {"role": spec.roles.get(message.role, message.role), "content": message.content}
    if message.parts:
        made["content"] = [
            {"type": "text", "text": part}
            if isinstance(part, str)
            else {"type": "image_url", "image_url": {"url": data_url(part)}}
            for part in message.parts
        ]
    if message.tool_calls:
        if not made["content"]:
            del made["content"]
        made["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(call.arguments, ensure_ascii=False)},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        made["tool_call_id"] = message.tool_call_id
    return made


def _tools(tools: Iterable[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], bool]:
    """Return the tools without `strict`, and whether one of them had it."""
    made, strict = [], False
    for tool in tools:
        function = {**tool.get("function", {})}
        strict = bool(function.pop("strict", False)) or strict
        made.append({**tool, "function": function})
    return made, strict


def _usage(spec: Spec, value: Any) -> Usage:
    """Return the billed tokens, or those counted where nothing is said of bills; whole numbers may come as 12.0."""
    if value is None:
        return Usage()
    counts = _whole(mapping(value, "usage"))
    if counts.get("billed_units") is None:
        counts["billed_units"] = counts.get("tokens")
    return usage_of(spec.usage, counts)


def _whole(value: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, item in value.items():
        if isinstance(item, dict):
            made[name] = _whole(item)
        else:
            made[name] = int(item) if isinstance(item, float) and item.is_integer() else item
    return made


def _call(value: Any) -> Mapping[str, Json]:
    call = mapping(value, "a tool call")
    function = mapping(call.get("function"), "a tool call's function")
    return {
        "id": string_or_none(call.get("id"), "a tool call's id") or "",
        "type": "function",
        "function": {
            "name": string(function.get("name"), "a tool call's name"),
            "arguments": string(function.get("arguments") or "", "a tool call's arguments"),
        },
    }


def _logprob(value: Any) -> Mapping[str, Json]:
    """Return one item: a text of one token, or of a few whose log probabilities are summed."""
    item = mapping(value, "logprobs")
    found = sum(number(one, "a log probability") for one in listing(item.get("logprobs"), "logprobs"))
    return {"token": string(item.get("text") or "", "a token"), "logprob": found, "top": []}
