"""System messages, where a format has a place of their own for them."""

from __future__ import annotations

from collections.abc import Iterable

from promptops.errors import ProviderError
from promptops.models import Message


def split_system(messages: Iterable[Message]) -> tuple[list[str], list[Message]]:
    """Return the texts of the system messages, and the rest; raises `ProviderError` for a system message further on."""
    system: list[str] = []
    rest: list[Message] = []
    for message in messages:
        if message.role != "system":
            rest.append(message)
        elif rest or message.parts:
            raise ProviderError("request", "a system message must stand before all others, and hold text only")
        else:
            system.append(message.content)
    return system, rest
