"""How messages and tools are written for Gemini.

Sources: https://ai.google.dev/api/caching#Content (contents and parts) and
https://ai.google.dev/gemini-api/docs/function-calling (calls and their results).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from promptops.errors import ProviderError
from promptops.models import Media, Message, Role
from promptops.providers.media import base64_of

_MODES = {"auto": "AUTO", "required": "ANY", "none": "NONE"}


def contents(messages: Iterable[Message], roles: Mapping[Role, str]) -> list[dict[str, Any]]:
    """Return the turns; results of tools that follow each other are parts of one."""
    made: list[dict[str, Any]] = []
    called: dict[str, str] = {}
    results: list[dict[str, Any]] | None = None
    for message in messages:
        called.update({call.id: call.name for call in message.tool_calls})
        if message.role != "tool":
            results = None
            made.append({"role": roles[message.role], "parts": _parts(message)})
            continue
        if results is None:
            results = []
            made.append({"role": roles["tool"], "parts": results})
        results.append({"functionResponse": _result(message, called)})
    return made


def declaration(function: Mapping[str, Any]) -> dict[str, Any]:
    """Return one function that the model may call."""
    made = {name: function[name] for name in ("name", "description") if name in function}
    return {**made, "parametersJsonSchema": function["parameters"]} if "parameters" in function else made


def tool_config(choice: str) -> dict[str, Any]:
    """Return which functions to call."""
    if choice in _MODES:
        return {"functionCallingConfig": {"mode": _MODES[choice]}}
    return {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": [choice]}}


def _parts(message: Message) -> list[dict[str, Any]]:
    texts: tuple[str | Media, ...] = message.parts
    if not texts and (message.content or not message.tool_calls):
        texts = (message.content,)
    calls = [
        {"functionCall": {"id": call.id, "name": call.name, "args": dict(call.arguments)}}
        for call in message.tool_calls
    ]
    return [*map(_part, texts), *calls]


def _part(part: str | Media) -> dict[str, Any]:
    if isinstance(part, str):
        return {"text": part}
    return {"inlineData": {"data": base64_of(part), "mimeType": part.media_type}}


def _result(message: Message, called: Mapping[str, str]) -> dict[str, Any]:
    """The result of one call: an object as it is, any other text as its `output`."""
    if (name := called.get(message.tool_call_id)) is None:
        text = f"a tool's message answers the call {message.tool_call_id!r}, which no message before it makes"
        raise ProviderError("request", text)
    try:
        value = json.loads(message.content)
    except (ValueError, RecursionError):
        value = None
    response = value if isinstance(value, dict) else {"output": message.content}
    return {"id": message.tool_call_id, "name": name, "response": response}
