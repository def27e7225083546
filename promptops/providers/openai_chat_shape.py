"""What chat completions consist of, streamed or not: each part is checked when read, and named where it is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptops.errors import ProviderError
from promptops.providers.failures import of_error_object
from promptops.providers.reading import mapping, string, wrong


def refuse_errors(document: Mapping[str, Any]) -> None:
    """Raise `ProviderError` for an error in a reply of status 200, or in the middle of a stream."""
    if error := document.get("error"):
        raise of_error_object("an error in place of a reply", error)
    if document.get("truncated") is True:
        raise ProviderError("identity", "the server cut the prompt to fit its context")


def refuse_broken_choice(choice: Mapping[str, Any]) -> None:
    """Raise `ProviderError` for a choice that a gateway's host did not finish."""
    if choice.get("finish_reason") == "error" or choice.get("error"):
        raise of_error_object("the model's host failed midway", choice.get("error") or "")


def text_of(content: Any) -> Any:
    """Return the text of a content in parts, as some servers answer; anything else as it is."""
    if not isinstance(content, list):
        return content
    parts = [mapping(part, "a part of the content") for part in content]
    return "".join(string(part.get("text"), "a part's text") for part in parts if part.get("type") == "text")


def tool_calls(value: Any) -> tuple[Mapping[str, Any], ...]:
    """Return the tool calls of a message or a delta."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise wrong("choices[0].message.tool_calls", "a list", value)
    return tuple(mapping(call, "a tool call") for call in value)


def first(value: Any, name: str) -> Any:
    """Return the first item of a list that has one."""
    if not isinstance(value, list) or not value:
        raise wrong(name, "a list with one choice", value)
    return value[0]
