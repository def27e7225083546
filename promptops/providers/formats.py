"""The wire formats that an endpoint may speak: one file each over `wire.Wire`, one line of registration here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from promptops.core.wire.dialects import spec_for
from promptops.core.wire.spec import Spec
from promptops.providers.wire import Wire

Make = Callable[..., Wire]


def _openai_chat(spec: Spec, *, drop_unsupported: bool) -> Wire:
    from promptops.providers.openai_chat import OpenAIChat

    return OpenAIChat(spec, drop_unsupported=drop_unsupported)


FORMATS: Mapping[str, Make] = {"openai-chat": _openai_chat}
"""`[tool.promptops.providers.<name>] format` → the format."""


def format_for(name: str, host: str, *, drop_unsupported: bool = False) -> Wire:
    """Return the format called `name` as the endpoint at `host` takes it; raises `KeyError` for an unknown name."""
    return FORMATS[name](spec_for(name, host), drop_unsupported=drop_unsupported)
