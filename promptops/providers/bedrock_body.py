"""How messages and tools are written for Bedrock's Converse.

Sources: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html, …_ContentBlock.html,
…_ToolConfiguration.html, …_DocumentBlock.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from promptops.core.prompt_cache import Keep, Prefix
from promptops.errors import ProviderError
from promptops.models import Media, Message, Role
from promptops.providers.media import base64_of

_FORMATS: Final[Mapping[str, str]] = {
    "image/png": "png",
    "image/jpeg": "jpeg",
    "image/gif": "gif",
    "image/webp": "webp",
    "application/pdf": "pdf",
    "text/plain": "txt",
    "text/csv": "csv",
    "text/markdown": "md",
    "text/html": "html",
}
_NOT_OF_A_NAME = re.compile(r"[^A-Za-z0-9\-()\[\]]+")  # DocumentBlock: what a document's name may not have in it
_SPACES = re.compile(r"\s+")


def converse_turns(messages: Iterable[Message], roles: Mapping[Role, str]) -> list[dict[str, Any]]:
    """Return the turns: messages of one role that follow each other are one turn of more blocks."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        role = roles[message.role]
        blocks = _blocks(message)
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    return turns


def converse_tools(tools: Iterable[Mapping[str, Any]], choice: str) -> dict[str, Any]:
    """Return `toolConfig`, empty where there are no tools; raises `ProviderError` for the choice `none`.

    There is no word for "none of them", and without the tools the calls of earlier turns could not be shown.
    """
    specs = [_tool(tool) for tool in tools]
    if not specs:
        return {}
    if choice == "none":
        raise ProviderError(
            "request", "tool_choice none is not taken by the format bedrock-converse: leave the tools out"
        )
    words: dict[str, dict[str, Any]] = {"auto": {"auto": {}}, "required": {"any": {}}}
    return {"tools": specs, "toolChoice": words.get(choice, {"tool": {"name": choice}})}


def add_cache_points(
    body: dict[str, Any], prefix: Prefix, messages: Sequence[Message], roles: Mapping[Role, str], keep: Keep
) -> None:
    """Put a block behind the beginning that is to be kept: in the tools, the system prompts and the turns.

    Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CachePointBlock.html
    """
    point = {"cachePoint": {"type": "default"} if keep == "5m" else {"type": "default", "ttl": keep}}
    if prefix.tools and "toolConfig" in body:
        body["toolConfig"]["tools"].append(point)
    if prefix.system:
        body["system"].append(point)
    if prefix.turns:
        kept = converse_turns(messages[: prefix.turns], roles)
        body["messages"][len(kept) - 1]["content"].insert(len(kept[-1]["content"]), point)


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = tool.get("function", {})
    spec: dict[str, Any] = {"name": function.get("name")}
    if function.get("description"):
        spec["description"] = function["description"]
    spec["inputSchema"] = {"json": function.get("parameters") or {"type": "object", "properties": {}}}
    if "strict" in function:
        spec["strict"] = function["strict"]
    return {"toolSpec": spec}


def _blocks(message: Message) -> list[dict[str, Any]]:
    if message.tool_call_id:
        result = {"toolUseId": message.tool_call_id, "content": [{"text": message.content}]}
        return [{"toolResult": result}]
    parts = message.parts or ((message.content,) if message.content or not message.tool_calls else ())
    blocks = [{"text": part} if isinstance(part, str) else _media(part) for part in parts]
    calls = ({"toolUseId": call.id, "name": call.name, "input": dict(call.arguments)} for call in message.tool_calls)
    return [*blocks, *({"toolUse": call} for call in calls)]


def _media(part: Media) -> dict[str, Any]:
    source = {"bytes": base64_of(part)}
    if part.kind == "image":
        return {"image": {"format": _FORMATS[part.media_type], "source": source}}
    name = _NOT_OF_A_NAME.sub(" ", part.name.rpartition(".")[0] or part.name)
    name = _SPACES.sub(" ", name).strip()[:200] or "document"
    return {"document": {"format": _FORMATS[part.media_type], "name": name, "source": source}}
