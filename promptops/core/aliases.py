"""Which pins float: a name that the vendor points at another model whenever it likes is no pin.

Source: the naming of the vendors' model pages (OpenAI "Models", Anthropic "Model IDs", Google "Gemini models", Mistral
"Models overview"). The table names one snapshot to use; a version may name any other dated one, and whether a snapshot
is still served is the provider's to say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from promptops.models import Pin

SNAPSHOTS: Final[Mapping[str, str]] = {
    # openai
    "gpt-3.5-turbo": "gpt-3.5-turbo-0125",
    "gpt-4": "gpt-4-0613",
    "gpt-4-turbo": "gpt-4-turbo-2024-04-09",
    "gpt-4o": "gpt-4o-2024-11-20",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "chatgpt-4o-latest": "gpt-4o-2024-11-20",
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
    "gpt-4.1-nano": "gpt-4.1-nano-2025-04-14",
    "gpt-5": "gpt-5-2025-08-07",
    "gpt-5-mini": "gpt-5-mini-2025-08-07",
    "gpt-5-nano": "gpt-5-nano-2025-08-07",
    "gpt-5.1": "gpt-5.1-2025-11-13",
    "gpt-5-chat-latest": "gpt-5-2025-08-07",
    "o1": "o1-2024-12-17",
    "o1-mini": "o1-mini-2024-09-12",
    "o3": "o3-2025-04-16",
    "o3-mini": "o3-mini-2025-01-31",
    "o4-mini": "o4-mini-2025-04-16",
    # anthropic
    "claude-3-haiku": "claude-3-haiku-20240307",
    "claude-3-opus": "claude-3-opus-20240229",
    "claude-3-opus-latest": "claude-3-opus-20240229",
    "claude-3-5-sonnet": "claude-3-5-sonnet-20241022",
    "claude-3-5-sonnet-latest": "claude-3-5-sonnet-20241022",
    "claude-3-5-haiku": "claude-3-5-haiku-20241022",
    "claude-3-5-haiku-latest": "claude-3-5-haiku-20241022",
    "claude-3-7-sonnet": "claude-3-7-sonnet-20250219",
    "claude-3-7-sonnet-latest": "claude-3-7-sonnet-20250219",
    "claude-opus-4": "claude-opus-4-20250514",
    "claude-opus-4-0": "claude-opus-4-20250514",
    "claude-opus-4-1": "claude-opus-4-1-20250805",
    "claude-opus-4-5": "claude-opus-4-5-20251101",
    "claude-sonnet-4": "claude-sonnet-4-20250514",
    "claude-sonnet-4-0": "claude-sonnet-4-20250514",
    "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
    "claude-haiku-4-5": "claude-haiku-4-5-20251001",
    "claude-sonnet-latest": "claude-sonnet-4-5-20250929",
    "claude-opus-latest": "claude-opus-4-5-20251101",
    "claude-haiku-latest": "claude-haiku-4-5-20251001",
    # google
    "gemini-1.5-pro": "gemini-1.5-pro-002",
    "gemini-1.5-flash": "gemini-1.5-flash-002",
    "gemini-2.0-flash": "gemini-2.0-flash-001",
    "gemini-2.0-flash-lite": "gemini-2.0-flash-lite-001",
    "gemini-flash-latest": "gemini-2.0-flash-001",
    # mistral
    "mistral-large-latest": "mistral-large-2411",
    "mistral-medium-latest": "mistral-medium-2508",
    "mistral-small-latest": "mistral-small-2506",
    "codestral-latest": "codestral-2508",
    "ministral-8b-latest": "ministral-8b-2410",
    "ministral-3b-latest": "ministral-3b-2410",
}

_LOCAL = re.compile(r".+@[0-9a-f]{12,64}\Z")
_FLOATING = re.compile(r"(?:^|[-_:@/.])latest\Z", re.IGNORECASE)


def floating_alias(pin: Pin) -> str | None:
    """Return what to write instead where `pin` floats, else None.

    A pin floats if its name is known to have dated snapshots, ends in `latest`, or is a local file without its digest.
    Any other name is taken as it is: endpoints of your own may call a model as they like.
    """
    if pin.provider == "local":
        return None if _LOCAL.match(pin.model) else f"{pin}@<the first 12 hex digits of its file's sha256>"
    *gateway, name = pin.model.split("/")
    if snapshot := SNAPSHOTS.get(name.lower()):
        return "/".join([pin.provider, *gateway, snapshot])
    if _FLOATING.search(name):
        return "the dated snapshot that it stands for now"
    return None
