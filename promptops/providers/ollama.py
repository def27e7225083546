"""The wire format of Ollama's own chat.

Sources: https://github.com/ollama/ollama/blob/main/docs/api.md (fields),
https://github.com/ollama/ollama/blob/main/api/types.go (`truncate`, `shift`, `logprobs`, ids of calls),
https://docs.ollama.com/api/streaming and https://docs.ollama.com/api/errors
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from promptops.core.wire.ollama import OLLAMA
from promptops.core.wire.spec import Spec
from promptops.errors import ProviderError
from promptops.models import Json, Media, Message, Reply, Request
from promptops.providers.failures import of_error_object
from promptops.providers.media import base64_of
from promptops.providers.ollama_stream import OllamaLines
from promptops.providers.openai_chat import token_of
from promptops.providers.reading import listing, mapping, string, string_or_none, usage_of
from promptops.providers.wire import Wire


class Ollama(Wire):
    """`POST /api/chat`; `base_url` is the server's, such as http://127.0.0.1:11434."""

    route = "/api/chat"
    stream_type = "application/x-ndjson"

    def __init__(self, spec: Spec = OLLAMA, *, drop_unsupported: bool = False) -> None:
        super().__init__(spec, drop_unsupported=drop_unsupported)

    def write(self, request: Request, params: Mapping[str, Any], *, stream: bool) -> dict[str, Any]:
        """Images beside the text, arguments as objects, and no cutting of what is too long for the context.

        Left to itself, the server drops the oldest messages of a prompt that is too long (`truncate`) and the oldest
        half of the context where an answer grows past it (`shift`), and says nothing.
        """
        body: dict[str, Any] = {
            "model": request.pin.model,
            "messages": _messages(self.messages(request, params), self.spec),
            "stream": stream,
            "truncate": False,
            "shift": False,
        }
        if request.tools:
            body["tools"] = [dict(tool) for tool in request.tools]
        if (schema := self.native_schema(request, params)) is not None:
            body["format"] = dict(schema)
        elif (wanted := params.get("response_format")) is not None:
            body["format"] = _format(wanted)
        return body

    def reply(self, document: Mapping[str, Any]) -> Reply:
        """Read the reply; raises `ProviderError` for an error in its place, or a wrong shape."""
        if error := document.get("error"):
            raise of_error_object("an error in place of a reply", {"message": error, "code": document.get("status")})
        if document.get("done") is not True:
            raise ProviderError("bad_reply", "the reply says that it is not done")
        message = mapping(document.get("message"), "message")
        calls = tuple(_call(call, place) for place, call in enumerate(listing(message.get("tool_calls"), "tool_calls")))
        reason = self.stop_reason(string_or_none(document.get("done_reason"), "done_reason"))
        if reason in ("load", "unload"):
            raise ProviderError("bad_reply", f"the model was not asked: the server says {reason!r}")
        return Reply(
            text=string(message.get("content") or "", "message.content"),
            finish_reason="tool_calls" if calls and reason == "stop" else reason,
            usage=usage_of(self.spec.usage, document, "the reply"),
            served_model=string_or_none(document.get("model"), "model"),
            tool_calls=calls,
            logprobs=tuple(token_of(item) for item in listing(document.get("logprobs"), "logprobs")),
        )

    def chunks(self) -> OllamaLines:
        """What adds up the lines of one streamed reply."""
        return OllamaLines()


def _messages(messages: tuple[Message, ...], spec: Spec) -> list[dict[str, Any]]:
    """Return the messages; the result of a call names the tool, which stands where the call was made."""
    names = {call.id: call.name for message in messages for call in message.tool_calls}
    made = []
    for message in messages:
        one: dict[str, Any] = {"role": spec.roles.get(message.role, message.role), "content": message.content}
        if images := [base64_of(part) for part in message.parts if isinstance(part, Media)]:
            one["images"] = images
        if message.tool_calls:
            if not message.content:
                del one["content"]
            one["tool_calls"] = [
                {"id": call.id, "function": {"name": call.name, "arguments": dict(call.arguments)}}
                for call in message.tool_calls
            ]
        if message.tool_call_id:
            one["tool_call_id"] = message.tool_call_id
            if message.tool_call_id in names:
                one["tool_name"] = names[message.tool_call_id]
        made.append(one)
    return made


def _format(wanted: Mapping[str, Any]) -> Any:
    """Return Ollama's `format` for a `response_format` in OpenAI's words."""
    match wanted:
        case {"type": "json_object"}:
            return "json"
        case {"type": "json_schema", "json_schema": {"schema": Mapping() as schema}}:
            return dict(schema)
        case {"type": "text"}:
            return ""
    raise ProviderError("request", f"response_format: {wanted.get('type')!r} is not known to the format ollama")


def _call(value: Any, place: int) -> Mapping[str, Json]:
    """Return one call in OpenAI's shape: the arguments as text, and an id where the server gives none."""
    call = mapping(value, "a tool call")
    function = mapping(call.get("function"), "a tool call's function")
    arguments = mapping(function.get("arguments") or {}, "a tool call's arguments")
    return {
        "id": string_or_none(call.get("id"), "a tool call's id") or f"call_{place}",
        "type": "function",
        "function": {
            "name": string(function.get("name"), "a tool call's name"),
            "arguments": json.dumps(arguments, ensure_ascii=False),
        },
    }
