"""Reading a reply's JSON with suspicion: each part is checked when it is read, and named where it is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from promptops.errors import ProviderError
from promptops.models import Usage
from promptops.providers.replies import excerpt

# Source: https://developers.openai.com/api/docs/pricing, https://ai.google.dev/gemini-api/docs/pricing; Anthropic's
# fast mode: https://platform.claude.com/docs/en/about-claude/pricing
_TIERS = frozenset({"flex", "priority", "fast"})
MAX_CALLS = 1024  # tool calls of one reply


def mapping(value: Any, name: str) -> Mapping[str, Any]:
    """Return `value` if it is an object."""
    if not isinstance(value, dict):
        raise wrong(name, "an object", value)
    return value


def listing(value: Any, name: str) -> list[Any]:
    """Return `value` if it is a list; a missing one is empty."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise wrong(name, "a list", value)
    return value


def string(value: Any, name: str) -> str:
    """Return `value` if it is a text."""
    if not isinstance(value, str):
        raise wrong(name, "a text", value)
    return value


def string_or_none(value: Any, name: str) -> str | None:
    """Return `value` if it is a text, or missing."""
    return None if value is None else string(value, name)


def number(value: Any, name: str) -> float:
    """Return `value` if it is a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong(name, "a number", value)
    return value


def count(value: Any, name: str) -> int | None:
    """Return `value` if it is a number of tokens that somebody could count, or missing."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise wrong(name, "counts of tokens", value)
    return value


def usage_of(
    paths: Mapping[str, tuple[tuple[str, ...], ...]],
    value: Any,
    name: str = "usage",
    *,
    instead: Mapping[str, tuple[str, ...]] | None = None,
) -> Usage:
    """Return the counted tokens: for each count of ours the sum of what stands at its `paths` (see `Spec.usage`)."""
    if value is None:
        return Usage()
    counts = mapping(value, name)
    found: dict[str, Any] = {}
    for ours, places in paths.items():
        there = [counted for path in places if (counted := _at(counts, path, name)) is not None]
        if not there and instead and ours in instead and (other := _at(counts, instead[ours], name)) is not None:
            there = [other]
        if there:
            found[ours] = sum(there)
    return Usage(**found)


def at_tier(usage: Usage, *said: Any) -> Usage:
    """Return `usage` with the first of what was said of its tier that has prices of its own."""
    tier = next((word for word in said if isinstance(word, str) and word in _TIERS), None)
    return usage if tier is None else replace(usage, tier=tier)


def wrong(name: str, wanted: str, value: Any) -> ProviderError:
    """The error for a part that is not what the format promises."""
    found = "missing" if value is None else excerpt(repr(value)[:200])
    told = f"the reply is not what its format promises: {name} must be {wanted}, and is {found}"
    return ProviderError("bad_reply", told)


def _at(counts: Mapping[str, Any], path: tuple[str, ...], name: str) -> int | None:
    *parents, last = path
    below: Any = counts
    for parent in parents:
        below = below.get(parent)
        if below is None:
            return None
        below = mapping(below, f"{name}.{parent}")
    return count(below.get(last), name)
