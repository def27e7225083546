"""The wire format of OpenAI responses.

Source: https://developers.openai.com/api/reference/resources/responses/methods/create
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from promptops.core.wire.openai_responses import OPENAI_RESPONSES
from promptops.core.wire.spec import Spec
from promptops.core.wire.strict_schema import schema_name, strict_schema
from promptops.errors import ProviderError
from promptops.models import Json, Media, Message, Reply, Request
from promptops.providers.failures import of_error_object
from promptops.providers.media import data_url
from promptops.providers.openai_chat import token_of
from promptops.providers.openai_responses_stream import ResponseEvents
from promptops.providers.reading import at_tier, listing, mapping, string, string_or_none, usage_of
from promptops.providers.wire import Wire, functions_of

_WITH_LOGPROBS = "message.output_text.logprobs"


class OpenAIResponses(Wire):
    """`POST /responses`, streamed or not."""

    route = "/responses"

    def __init__(self, spec: Spec = OPENAI_RESPONSES, *, drop_unsupported: bool = False) -> None:
        super().__init__(spec, drop_unsupported=drop_unsupported)

    def write(self, request: Request, params: Mapping[str, Any], *, stream: bool) -> dict[str, Any]:
        """Messages, calls and their results as items of `input`."""
        body: dict[str, Any] = {
            "model": request.pin.model,
            "input": [item for message in self.messages(request, params) for item in self._items(message)],
        }
        if stream:
            body["stream"] = True
        if request.tools:
            body["tools"] = [_tool(function) for function in functions_of(request)]
        if "tool_choice" in params:
            choice = params["tool_choice"]
            words = ("auto", "none", "required")
            body["tool_choice"] = choice if choice in words else {"type": "function", "name": choice}
        if (schema := self.native_schema(request, params)) is not None:
            name = schema_name(schema)
            made = {"type": "json_schema", "name": name, "schema": strict_schema(schema), "strict": True}
            body["text"] = {"format": made}
        if params.get("logprobs"):
            body["include"] = [_WITH_LOGPROBS]
        return body

    def reply(self, document: Mapping[str, Any]) -> Reply:
        """Read all items of the output; raises `ProviderError` for a response that failed, or a wrong shape."""
        status = document.get("status")
        if document.get("error") or status in ("failed", "cancelled"):
            raise of_error_object("an error in place of a reply", document.get("error") or str(status))
        items = [mapping(item, "an item of the output") for item in listing(document.get("output"), "output")]
        if not items and status not in ("completed", "incomplete"):
            raise ProviderError("bad_reply", "the reply is not what its format promises: it has no output")
        contents = list(_contents(items))
        calls = tuple(_call(item) for item in items if item.get("type") == "function_call")
        return Reply(
            text=_text(contents),
            finish_reason=self._reason(document, calls),
            usage=at_tier(usage_of(self.spec.usage, document.get("usage")), document.get("service_tier")),
            served_model=string_or_none(document.get("model"), "model"),
            tool_calls=calls,
            logprobs=_logprobs(contents),
        )

    def chunks(self) -> ResponseEvents:
        """What waits for the response at the end of its stream."""
        return ResponseEvents()

    def _items(self, message: Message) -> Iterator[dict[str, Any]]:
        if message.role == "tool":
            yield {"type": "function_call_output", "call_id": message.tool_call_id, "output": message.content}
            return
        if message.content or message.parts or not message.tool_calls:
            parts = [_part(part, message.role) for part in message.parts]
            yield {"role": self.spec.roles[message.role], "content": parts or message.content}
        for call in message.tool_calls:
            arguments = json.dumps(call.arguments, ensure_ascii=False)
            yield {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": arguments}

    def _reason(self, document: Mapping[str, Any], calls: tuple[Mapping[str, Json], ...]) -> str | None:
        status = string_or_none(document.get("status"), "status")
        if status == "incomplete":
            details = mapping(document.get("incomplete_details") or {}, "incomplete_details")
            return self.stop_reason(string_or_none(details.get("reason"), "incomplete_details.reason") or status)
        return "tool_calls" if calls else self.stop_reason(status)


def _tool(function: Mapping[str, Any]) -> dict[str, Any]:
    """One tool. Responses take a tool for strict unless told otherwise, chat completions do not."""
    made = {"type": "function", "name": function["name"]}
    if "description" in function:
        made["description"] = function["description"]
    return {**made, "parameters": function.get("parameters"), "strict": bool(function.get("strict", False))}


def _part(part: str | Media, role: str) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "output_text" if role == "assistant" else "input_text", "text": part}
    if part.kind == "image":
        return {"type": "input_image", "detail": "auto", "image_url": data_url(part)}
    return {"type": "input_file", "filename": part.name, "file_data": data_url(part)}


def _contents(items: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for item in items:
        if item.get("type") == "message":
            for content in listing(item.get("content"), "a message's content"):
                yield mapping(content, "a part of the content")


def _text(contents: list[Mapping[str, Any]]) -> str:
    """All text of all messages; the refusal where there is nothing but one."""
    found = [string(c.get("text") or "", "a part's text") for c in contents if c.get("type") == "output_text"]
    if found:
        return "".join(found)
    return "".join(string(c.get("refusal"), "a refusal") for c in contents if c.get("type") == "refusal")


def _call(item: Mapping[str, Any]) -> Mapping[str, Json]:
    """One call in the shape that calls have everywhere."""
    name, arguments = item.get("name"), item.get("arguments")
    function = {"name": string(name, "a call's name"), "arguments": string(arguments, "a call's arguments")}
    return {"id": string(item.get("call_id"), "a call's call_id"), "type": "function", "function": function}


def _logprobs(contents: list[Mapping[str, Any]]) -> tuple[Mapping[str, Json], ...]:
    return tuple(token_of(t) for c in contents for t in listing(c.get("logprobs"), "a part's logprobs"))
