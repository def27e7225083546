"""What chat completions consist of, streamed or not: each part is checked when read, and named where it is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptops.errors import ProviderError
from promptops.providers.failures import of_error_object
from promptops.providers.reading import mapping, string, wrong

_THOUGHTS = ("reasoning_content", "reasoning")


def refuse_errors(document: Mapping[str, Any]) -> None:
    """Raise `ProviderError` for an error in a reply of status 200, or in the middle of a stream."""
    error = document.get("error") or (document if document.get("object") == "error" else None)  # vLLM, Mistral
    if not error and isinstance(more := document.get("x_groq"), Mapping):
        error = more.get("error")  # why Groq stopped a stream early
    if error:
        raise of_error_object("an error in place of a reply", error)
    if document.get("truncated") is True:
        raise ProviderError("identity", "the server cut the prompt to fit its context")


def usage_in(document: Mapping[str, Any]) -> Any:
    """Return what counts the tokens of a reply or chunk; None where it says nothing of them.

    It stands at the top, in Groq's `x_groq` (https://console.groq.com/docs/api-reference#chat-create), or in the choice
    (https://platform.moonshot.ai/docs/api/chat).
    """
    if document.get("usage") is not None:
        return document["usage"]
    if isinstance(more := document.get("x_groq"), Mapping) and more.get("usage") is not None:
        return more["usage"]
    choices = document.get("choices")
    return (
        choices[0].get("usage") if isinstance(choices, list) and choices and isinstance(choices[0], Mapping) else None
    )


def refuse_broken_choice(choice: Mapping[str, Any]) -> None:
    """Raise `ProviderError` for a choice that a gateway's host did not finish."""
    if choice.get("finish_reason") == "error" or choice.get("error"):
        raise of_error_object("the model's host failed midway", choice.get("error") or "")


def thought_in(message: Mapping[str, Any]) -> Any:
    """Return what a message or delta has of the model's thoughts, as servers of open models send them; else None."""
    return next((message[name] for name in _THOUGHTS if message.get(name)), None)


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
