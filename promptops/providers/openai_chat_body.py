"""How messages, tools and schemas are written for OpenAI chat completions, and for whoever speaks them.

Source: https://developers.openai.com/api/reference/resources/chat/subresources/completions/methods/create
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from promptops.core.wire.strict_schema import schema_name, strict_schema
from promptops.models import Media, Message, Role
from promptops.providers.media import data_url


def chat_message(message: Message, roles: Mapping[Role, str]) -> dict[str, Any]:
    """Return one message; a plain one is role and text."""
    made: dict[str, Any] = {"role": roles.get(message.role, message.role), "content": message.content}
    if message.parts:
        made["content"] = [_part(part) for part in message.parts]
    if message.tool_calls:
        made["content"] = made["content"] or None
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


def chat_tool_choice(choice: str) -> Any:
    """Return `tool_choice`: auto, none and required are words, anything else is the name of a tool."""
    return choice if choice in ("auto", "none", "required") else {"type": "function", "function": {"name": choice}}


def chat_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `response_format` that keeps to `schema`, in its strict form."""
    return {
        "type": "json_schema",
        "json_schema": {"name": schema_name(schema), "schema": strict_schema(schema), "strict": True},
    }


def _part(part: str | Media) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if part.kind == "image":
        return {"type": "image_url", "image_url": {"url": data_url(part)}}
    return {"type": "file", "file": {"filename": part.name, "file_data": data_url(part)}}
