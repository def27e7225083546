"""Structured output where no vendor's mode does it: the schema in words, for the system message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from promptops.models import Message


def instruction(schema: Mapping[str, Any]) -> str:
    """Return the words that ask for JSON of `schema`: the same for the same schema, whatever the order of its keys."""
    text = json.dumps(schema, ensure_ascii=False, sort_keys=True, separators=(", ", ": "))
    return f"Answer with one JSON value that satisfies this JSON Schema, and with nothing else:\n{text}"


def instructed(messages: tuple[Message, ...], words: str) -> tuple[Message, ...]:
    """Return the messages with `words` at the end of the first system message, or in one of their own before all."""
    for place, message in enumerate(messages):
        if message.role == "system" and not message.parts:
            longer = replace(message, content=f"{message.content}\n\n{words}")
            return (*messages[:place], longer, *messages[place + 1 :])
    return (Message("system", words), *messages)
