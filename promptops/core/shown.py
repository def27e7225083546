"""Values and texts as a message quotes them: on one line, bounded, in the user's notation and not in Python's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


def short(text: str, limit: int = 120) -> str:
    """Return `text`, at most `limit` characters of it."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def shown(value: Any, limit: int = 80) -> str:
    """Return `value` as JSON, at most `limit` characters; the name of its type where it is no JSON."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = type(value).__name__
    return short(text, limit)


def several(names: Sequence[str], limit: int = 3) -> str:
    """Return `a, b, c and 4 more`: the first `limit` of `names`, and how many there are besides."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
