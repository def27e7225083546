"""How messages and tools are written for Anthropic.

Sources: https://platform.claude.com/docs/en/api/messages/create (messages, content blocks) and
https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview (calls and their results).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from promptops.core.prompt_cache import Keep, Prefix
from promptops.core.wire.claude_schema import claude_schema
from promptops.models import Media, Message, Role
from promptops.providers.media import base64_of

_CHOICES = {"auto": "auto", "required": "any", "none": "none"}


def turns(messages: Iterable[Message], roles: Mapping[Role, str]) -> list[dict[str, Any]]:
    """Return the turns; results of tools that follow each other are one user turn, as they must be."""
    made: list[dict[str, Any]] = []
    results: list[dict[str, Any]] | None = None
    for message in messages:
        if message.role != "tool":
            results = None
            made.append({"role": roles[message.role], "content": _content(message)})
            continue
        if results is None:
            results = []
            made.append({"role": roles["tool"], "content": results})
        content: Any = [_block(part) for part in message.parts] or message.content
        results.append({"type": "tool_result", "tool_use_id": message.tool_call_id, "content": content})
    return made


def tool(function: Mapping[str, Any]) -> dict[str, Any]:
    """Return one tool; one without parameters has an object without properties."""
    made = {name: function[name] for name in ("name", "description", "strict") if name in function}
    return {**made, "input_schema": function.get("parameters") or {"type": "object"}}


def tool_choice(params: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return which tools to use and whether several at once; None where the params say nothing of it."""
    choice, parallel = params.get("tool_choice"), params.get("parallel_tool_calls")
    if choice is None and parallel is None:
        return None
    made: dict[str, Any] = {"type": _CHOICES.get(choice or "auto", "tool")}
    if made["type"] == "tool":
        made["name"] = choice
    if parallel is not None and made["type"] != "none":
        made["disable_parallel_tool_use"] = not parallel
    return made


def mark_prefix(
    body: dict[str, Any], prefix: Prefix, messages: Sequence[Message], roles: Mapping[Role, str], keep: Keep
) -> None:
    """Mark where the beginning ends that the vendor is to keep: at most three of the four marks that it takes.

    A text is then written as the block for which it stands.
    """
    mark: dict[str, Any] = {"type": "ephemeral"} if keep == "5m" else {"type": "ephemeral", "ttl": keep}
    if prefix.tools:
        body["tools"][-1] = {**body["tools"][-1], "cache_control": mark}
    if prefix.system:
        system = body["system"]
        blocks = [{"type": "text", "text": system}] if isinstance(system, str) else system
        body["system"] = [*blocks[:-1], {**blocks[-1], "cache_control": mark}]
    if prefix.turns:
        kept = turns(messages[: prefix.turns], roles)
        turn, last = body["messages"][len(kept) - 1], kept[-1]["content"]
        content = turn["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
        place = (1 if isinstance(last, str) else len(last)) - 1
        blocks[place] = {**blocks[place], "cache_control": mark}
        body["messages"][len(kept) - 1] = {**turn, "content": blocks}


def schema_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the format that keeps to `schema`."""
    return {"type": "json_schema", "schema": claude_schema(schema)}


def _content(message: Message) -> Any:
    if not message.parts and not message.tool_calls:
        return message.content
    blocks = [_block(part) for part in message.parts or ((message.content,) if message.content else ())]
    calls = [{"type": "tool_use", "id": c.id, "name": c.name, "input": dict(c.arguments)} for c in message.tool_calls]
    return [*blocks, *calls]


def _block(part: str | Media) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if part.kind == "image":
        return {"type": "image", "source": _bytes(part)}
    if part.media_type == "text/plain":
        text = part.data.decode("utf-8", "replace")
        source: dict[str, Any] = {"type": "text", "media_type": "text/plain", "data": text}
    else:
        source = _bytes(part)
    return {"type": "document", "source": source, "title": part.name}


def _bytes(part: Media) -> dict[str, Any]:
    return {"type": "base64", "media_type": part.media_type, "data": base64_of(part)}
