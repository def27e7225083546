"""Prompts as code: versioned templates with pinned models, tested, compared, promoted and watched."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from promptops.errors import OutputInvalid, PromptopsError, ProviderError, TemplateRefused, UsageError
    from promptops.loader import Prompt, Reply, load
    from promptops.models import Media, Message, ToolCall, Usage

#: Where each public name lives: imported when it is first used, so that `import promptops` costs nothing.
_HOMES = {
    "Media": "promptops.models",
    "Message": "promptops.models",
    "OutputInvalid": "promptops.errors",
    "Prompt": "promptops.loader",
    "PromptopsError": "promptops.errors",
    "ProviderError": "promptops.errors",
    "Reply": "promptops.loader",
    "TemplateRefused": "promptops.errors",
    "ToolCall": "promptops.models",
    "Usage": "promptops.models",
    "UsageError": "promptops.errors",
    "load": "promptops.loader",
}

__all__ = [
    "Media",
    "Message",
    "OutputInvalid",
    "Prompt",
    "PromptopsError",
    "ProviderError",
    "Reply",
    "TemplateRefused",
    "ToolCall",
    "Usage",
    "UsageError",
    "load",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
