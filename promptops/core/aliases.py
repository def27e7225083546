"""Which pins float: a name that the vendor points at another model whenever it likes is no pin.

The table names one snapshot to use, with the vendor's page and the day on which it was read; a version may name any
other dated one. How long a snapshot is served is said by `core.model_life`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from promptops.core.model_life import life_of
from promptops.models import Pin

_LISTED: Final = ("https://github.com/pydantic/genai-prices", "2026-11-22")
_CLAUDE: Final = ("https://platform.claude.com/docs/en/about-claude/model-deprecations", "2026-11-22")

ALIASES: Final[Mapping[tuple[str, str], Mapping[str, str]]] = {
    _LISTED: {
        # openai
        "gpt-3.5-turbo": "gpt-3.5-turbo-0125",
        "gpt-3.5-turbo-16k": "gpt-3.5-turbo-16k-0613",
        "gpt-4": "gpt-4-0613",
        "gpt-4-32k": "gpt-4-32k-0613",
        "gpt-4-turbo-preview": "gpt-4-0125-preview",
        "gpt-4-turbo": "gpt-4-turbo-2024-04-09",
        "gpt-4o": "gpt-4o-2024-11-20",
        "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
        "gpt-4o-search-preview": "gpt-4o-search-preview-2025-03-11",
        "gpt-4o-mini-search-preview": "gpt-4o-mini-search-preview-2025-03-11",
        "gpt-audio": "gpt-audio-2025-08-28",
        "gpt-audio-mini": "gpt-audio-mini-2025-12-15",
        "chatgpt-4o-latest": "gpt-4o-2024-11-20",
        "gpt-4.1": "gpt-4.1-2025-04-14",
        "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
        "gpt-4.1-nano": "gpt-4.1-nano-2025-04-14",
        "gpt-5": "gpt-5-2025-08-07",
        "gpt-5-mini": "gpt-5-mini-2025-08-07",
        "gpt-5-nano": "gpt-5-nano-2025-08-07",
        "gpt-5-pro": "gpt-5-pro-2025-10-06",
        "gpt-5.1": "gpt-5.1-2025-11-13",
        "gpt-5.2": "gpt-5.2-2025-12-11",
        "gpt-5.2-pro": "gpt-5.2-pro-2025-12-11",
        "gpt-5.4": "gpt-5.4-2026-03-05",
        "gpt-5.4-mini": "gpt-5.4-mini-2026-03-17",
        "gpt-5.4-nano": "gpt-5.4-nano-2026-03-17",
        "gpt-5.4-pro": "gpt-5.4-pro-2026-03-05",
        "gpt-5.5": "gpt-5.5-2026-04-23",
        "gpt-5.5-pro": "gpt-5.5-pro-2026-04-23",
        "gpt-5.6": "gpt-5.6-sol",
        "gpt-5-chat-latest": "gpt-5-2025-08-07",
        "o1": "o1-2024-12-17",
        "o1-mini": "o1-mini-2024-09-12",
        "o1-pro": "o1-pro-2025-03-19",
        "o3": "o3-2025-04-16",
        "o3-mini": "o3-mini-2025-01-31",
        "o3-pro": "o3-pro-2025-06-10",
        "o3-deep-research": "o3-deep-research-2025-06-26",
        "o4-mini-deep-research": "o4-mini-deep-research-2025-06-26",
        "o4-mini": "o4-mini-2025-04-16",
        # google
        "gemini-1.5-pro": "gemini-1.5-pro-002",
        "gemini-1.5-flash": "gemini-1.5-flash-002",
        "gemini-2.0-flash": "gemini-2.0-flash-001",
        "gemini-2.0-flash-lite": "gemini-2.0-flash-lite-001",
        "gemini-flash-latest": "gemini-3.8-flash",
        "gemini-flash-lite-latest": "gemini-3.5-flash-lite",
        "gemini-pro-latest": "gemini-3.1-pro-preview",
        # mistral
        "mistral-large-latest": "mistral-large-2512",
        "mistral-medium-latest": "mistral-medium-2604",
        "mistral-small-latest": "mistral-small-2603",
        "codestral-latest": "codestral-2508",
        "ministral-8b-latest": "ministral-8b-2512",
        "ministral-3b-latest": "ministral-3b-2512",
        "devstral-small-latest": "devstral-small-2507",
        "pixtral-large-latest": "pixtral-large-2411",
        # cohere
        "command-a": "command-a-03-2025",
        "command-r": "command-r-08-2024",
        "command-r-plus": "command-r-plus-08-2024",
        "command-r7b": "command-r7b-12-2024",
        # x-ai
        "grok-2": "grok-2-1212",
        "grok-2-latest": "grok-2-1212",
        "grok-4": "grok-4-0709",
        "grok-4-latest": "grok-4-0709",
        "grok-code-fast": "grok-code-fast-1-0825",
        "grok-code-fast-1": "grok-code-fast-1-0825",
        "grok-latest": "grok-4.5",
        "grok-4.3-latest": "grok-4.3",
        "grok-4.5-latest": "grok-4.5",
    },
    # From the 4.6 generation on Anthropic's ids have no date, and are snapshots all the same.
    _CLAUDE: {
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
    },
}
"""(Page, the day on which it was read) → floating name → a snapshot that it stands or stood for."""

SNAPSHOTS: Final[Mapping[str, str]] = {name: pin for rows in ALIASES.values() for name, pin in rows.items()}

_LOCAL = re.compile(r".+@[0-9a-f]{12,64}\Z")
_FLOATING = re.compile(r"(?:^|[-_:@/.])(?:latest|nightly)\Z", re.IGNORECASE)
_ROUTERS: Final = frozenset({"openrouter/auto"})  # choose a model for each request


def floating_alias(pin: Pin) -> str | None:
    """Return what to write instead where `pin` floats, else None.

    A pin floats if its name is known to have dated snapshots, ends in `latest` or `nightly`, names a router, or is a
    local file without its digest. Any other name is taken as it is: endpoints of your own may call a model as they
    like.
    """
    if pin.provider == "local":
        return None if _LOCAL.match(pin.model) else f"{pin}@<the first 12 hex digits of its file's sha256>"
    if snapshot := snapshot_of(pin):
        return str(snapshot)
    if _FLOATING.search(pin.model.rpartition("/")[2]) or pin.model.lower() in _ROUTERS:
        return "the dated snapshot that it stands for now"
    return None


def snapshot_of(pin: Pin) -> Pin | None:
    """Return the snapshot to write for a floating pin whose name is known; None for any other."""
    *gateway, whole = pin.model.split("/")
    name, colon, variant = whole.partition(":")  # OpenRouter's: `openai/gpt-4o:nitro`
    found = SNAPSHOTS.get(name.lower()) if pin.provider != "local" else None
    return Pin(pin.provider, "/".join([*gateway, f"{found}{colon}{variant}"])) if found else None


def snapshot_note(pin: Pin) -> str:
    """Return where the snapshot to use stands, and when it ends if that is announced; empty for an unknown name."""
    name = pin.model.split("/")[-1].partition(":")[0].lower()
    page = next((page for page, rows in ALIASES.items() if name in rows), None)
    if page is None or (snapshot := snapshot_of(pin)) is None:
        return ""
    life = life_of(snapshot)
    ends = f"; it is shut down on {life.shutdown}" if life.shutdown else ""
    instead = f", {life.replacement} is recommended after it" if life.shutdown and life.replacement else ""
    return f"{page[0]}, read {page[1]}{ends}{instead}"
