"""The wire formats that an endpoint may speak: one small protocol, one file each, one line of registration here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from promptops.models import Reply, Request
from promptops.providers.events import Chunks


class WireFormat(Protocol):
    """Turns a request into a body, and a body into a reply. Pure: no sockets, no clock.

    To add one: write `providers/<name>.py` with a class like `OpenAIChat`, add a line to `FORMATS` below and its name
    to `ProviderConfig.format`, and describe it in docs/providers.md.
    """

    path: str
    """What is posted to, after the base URL: `/chat/completions`."""

    def headers(self, key: str | None) -> dict[str, str]:
        """Return the headers that carry the key, and whatever else the format wants."""
        ...

    def body(self, request: Request, seed: int | None, *, stream: bool = False) -> dict[str, Any]:
        """Return the JSON body. `seed` is None where none is to be sent; `stream` asks for a stream."""
        ...

    def reply(self, document: Mapping[str, Any]) -> Reply:
        """Read the JSON object of a successful reply; raises `ProviderError` for what the format does not promise."""
        ...

    def chunks(self) -> Chunks:
        """Return what puts the events of one streamed reply together."""
        ...


def _openai_chat() -> WireFormat:
    from promptops.providers.openai_chat import OpenAIChat

    return OpenAIChat()


def _openai_itself() -> WireFormat:
    from promptops.providers.openai_chat import OpenAIChat

    return OpenAIChat(limit_name="max_completion_tokens")


FORMATS: Mapping[str, Callable[[], WireFormat]] = {"openai-chat": _openai_chat}
"""`[tool.promptops.providers.<name>] format` → the format."""

DIALECTS: Mapping[tuple[str, str], Callable[[], WireFormat]] = {("openai-chat", "api.openai.com"): _openai_itself}
"""(format, host) → the format as that vendor wants it."""


def format_for(name: str, host: str) -> WireFormat:
    """Return the format called `name` for an endpoint at `host`; raises `KeyError` for an unknown name."""
    return DIALECTS.get((name, host), FORMATS[name])()
