"""Calls of tools, as a model wrote them, against the tools' own schemas."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final

from promptops.core.shown import short
from promptops.core.user_calls import Raised, call_user
from promptops.errors import did_you_mean

MAX_PROBLEMS: Final = 5  # of one call that are told
MAX_WORDS: Final = 200  # characters of one of them


def call_problems(tools: Sequence[Mapping[str, Any]], calls: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what is wrong with `calls`: a tool that there is not, arguments that are no JSON or not its schema's."""
    known = {str(tool["function"]["name"]): tool["function"] for tool in tools}
    found: list[str] = []
    for call in calls:
        function = call.get("function")
        function = function if isinstance(function, Mapping) else {}
        name = str(function.get("name"))
        if name not in known:
            found.append(f"there is no tool {short(name, 64)!r}{did_you_mean(name, known)}")
            continue
        found += [f"{name}: {short(text, MAX_WORDS)}" for text in _problems(known[name], function.get("arguments"))]
    return found


def _problems(tool: Mapping[str, Any], written: Any) -> list[str]:
    try:
        value = json.loads(written.strip() or "{}") if isinstance(written, str) else written
    except (ValueError, RecursionError) as error:
        return [f"the arguments are not JSON: {error}"]
    if value is None:
        value = {}
    if not isinstance(value, dict):
        return [f"the arguments must be an object, not {type(value).__name__}"]
    if not isinstance(schema := tool.get("parameters"), dict):
        return []
    try:
        return call_user(_against, schema, value)
    except Raised as raised:
        return [f"its schema itself raised {raised.reason}"]


def _against(schema: dict[str, Any], value: dict[str, Any]) -> list[str]:
    from promptops.core.json_schema import validator_for

    errors = islice(validator_for(schema).iter_errors(value), MAX_PROBLEMS)
    return sorted(f"{_where(error.absolute_path)}{error.message}" for error in errors)


def _where(path: Any) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
    return f"{text}: " if text else ""
