"""The wire formats that an endpoint may speak: one file each over `wire.Wire`, one line of registration here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from promptops.core.wire.dialects import spec_for
from promptops.providers.wire import Wire

Make = Callable[..., Wire]


def _lazily(module: str, name: str) -> Make:
    """Return what makes the class `name` of `providers/<module>.py`, which is imported by its first use."""

    def make(*given: Any, **settings: Any) -> Wire:
        wire: Wire = getattr(import_module(f"promptops.providers.{module}"), name)(*given, **settings)
        return wire

    return make


FORMATS: Mapping[str, Make] = {
    "openai-chat": _lazily("openai_chat", "OpenAIChat"),
    "openai-responses": _lazily("openai_responses", "OpenAIResponses"),
    "anthropic-messages": _lazily("anthropic", "Anthropic"),
    "gemini": _lazily("gemini", "Gemini"),
    "azure-openai": _lazily("azure_openai", "AzureOpenAI"),
    "bedrock-converse": _lazily("bedrock", "Bedrock"),
    "cohere": _lazily("cohere", "Cohere"),
    "deepseek": _lazily("deepseek", "DeepSeek"),
    "mistral": _lazily("mistral", "Mistral"),
    "ollama": _lazily("ollama", "Ollama"),
}
"""`[tool.promptops.providers.<name>] format` → the format."""


def format_for(name: str, host: str, *, drop_unsupported: bool = False, **settings: Any) -> Wire:
    """Return the format called `name` as the endpoint at `host` takes it; raises `KeyError` for an unknown name.

    `settings` are those that only this format has.
    """
    return FORMATS[name](spec_for(name, host), drop_unsupported=drop_unsupported, **settings)
