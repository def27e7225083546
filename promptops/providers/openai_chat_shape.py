"""What chat completions consist of, streamed or not: each part is checked when read, and named where it is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptops.errors import ProviderError
from promptops.models import Usage
from promptops.providers.failures import of_error_object
from promptops.providers.replies import excerpt


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


def usage(value: Any) -> Usage:
    """Return the counted tokens."""
    if value is None:
        return Usage()
    counts = mapping(value, "usage")
    return Usage(_count(counts.get("prompt_tokens")), _count(counts.get("completion_tokens")))


def first(value: Any, name: str) -> Any:
    """Return the first item of a list that has one."""
    if not isinstance(value, list) or not value:
        raise wrong(name, "a list with one choice", value)
    return value[0]


def mapping(value: Any, name: str) -> Mapping[str, Any]:
    """Return `value` if it is an object."""
    if not isinstance(value, dict):
        raise wrong(name, "an object", value)
    return value


def string(value: Any, name: str) -> str:
    """Return `value` if it is a text."""
    if not isinstance(value, str):
        raise wrong(name, "a text", value)
    return value


def string_or_none(value: Any, name: str) -> str | None:
    """Return `value` if it is a text, or missing."""
    return None if value is None else string(value, name)


def wrong(name: str, wanted: str, value: Any) -> ProviderError:
    """The error for a part that is not what the format promises."""
    found = "missing" if value is None else excerpt(repr(value)[:200])
    return ProviderError("bad_reply", f"the reply is no chat completion: {name} must be {wanted}, and is {found}")


def _count(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise wrong("usage", "counts of tokens", value)
    return value
