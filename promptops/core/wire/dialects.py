"""Which spec holds at which endpoint: the format's own, or a vendor's dialect of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from promptops.core.wire.anthropic import ANTHROPIC
from promptops.core.wire.azure_openai import AZURE_OPENAI
from promptops.core.wire.bedrock import BEDROCK
from promptops.core.wire.cohere import COHERE
from promptops.core.wire.deepseek import DEEPSEEK
from promptops.core.wire.gateways import BY_HOST
from promptops.core.wire.gemini import GEMINI
from promptops.core.wire.mistral import MISTRAL
from promptops.core.wire.ollama import OLLAMA
from promptops.core.wire.openai_chat import OPENAI_CHAT, OPENAI_ITSELF
from promptops.core.wire.openai_responses import OPENAI_RESPONSES
from promptops.core.wire.spec import Spec

SPECS: Final[Mapping[str, Spec]] = {
    "openai-chat": OPENAI_CHAT,
    "openai-responses": OPENAI_RESPONSES,
    "anthropic-messages": ANTHROPIC,
    "gemini": GEMINI,
    "azure-openai": AZURE_OPENAI,
    "bedrock-converse": BEDROCK,
    "cohere": COHERE,
    "deepseek": DEEPSEEK,
    "mistral": MISTRAL,
    "ollama": OLLAMA,
}
"""The name of a format → what any endpoint of it takes."""

DIALECTS: Final[Mapping[tuple[str, str], Spec]] = {
    ("openai-chat", "api.openai.com"): OPENAI_ITSELF,
    **{("openai-chat", host): spec for host, spec in BY_HOST.items()},
}
"""(format, host) → what that vendor takes."""


def spec_for(name: str, host: str) -> Spec:
    """Return what the endpoint at `host` takes in the format `name`; raises `KeyError` for an unknown name."""
    return DIALECTS.get((name, host), SPECS[name])
