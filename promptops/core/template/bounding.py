"""Filters that bound what varies in a prompt: a history to its last turns, a document to so many tokens, a summary in
place of what is left out. Counted by the rule of `core.tokens`, so that a prompt renders the same text everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from promptops.core.template.limits import current, text_of
from promptops.core.template.text import whole
from promptops.core.tokens import estimate, first_tokens, last_tokens
from promptops.errors import TemplateRefused

MAX_TOKENS: Final = 1_000_000


def tokens(value: Any) -> int:
    """`|tokens`: about how many tokens a text has, or the turns of a history together."""
    return sum(_counted(_content(turn)) for turn in value) if _is_turns(value) else _counted(text_of(value))


def first(value: Any, most: Any, end: Any = "") -> str:
    """`|first_tokens(500)`: the beginning of a text, cut between words; `end` is added where something was cut."""
    return _cut(value, most, end, at_front=False)


def last(value: Any, most: Any, end: Any = "") -> Any:
    """`|last_tokens(500)`: the end of a text, `end` before it where it was cut; of a history its last whole turns."""
    return _last_that_fit(value, _limit(most)) if _is_turns(value) else _cut(value, most, end, at_front=True)


def last_turns(value: Any, count: Any) -> list[Any]:
    """`|last_turns(3)`: the last turns of a history, each a message of the user with what follows it.

    Messages before the first of the user belong to it. Items that are no messages are a turn each.
    """
    items, number = _turns(value), whole(count)
    if number < 0:
        raise TemplateRefused(f"{number} turns are refused (0 or more)")
    starts = [index for index, item in enumerate(items) if _role(item) in ("user", None)]
    if number == 0:
        return []
    return items if len(starts) <= number else items[starts[-number] :]


def summarised(value: Any, summary: Any, turns: Any) -> list[Any]:
    """`|summarised(summary, 3)`: the last turns, and before them a user's message with the summary of the rest.

    Without a rest, or with an empty summary, there is no such message.
    """
    kept, words = last_turns(value, turns), text_of(summary) if summary is not None else ""
    if len(kept) == len(_turns(value)) or not words.strip():
        return kept
    return [{"role": "user", "content": words}, *kept]


BOUNDING: Final[dict[str, Callable[..., Any]]] = {
    "first_tokens": first,
    "last_tokens": last,
    "last_turns": last_turns,
    "summarised": summarised,
    "tokens": tokens,
}


def _cut(value: Any, most: Any, end: Any, *, at_front: bool) -> str:
    text, limit, mark = text_of(value), _limit(most), text_of(end)
    if _counted(text) <= limit:
        return text
    room = max(limit - _counted(mark), 0)
    if at_front:
        return mark + last_tokens(text, room).lstrip()
    return first_tokens(text, room).rstrip() + mark


def _last_that_fit(value: Any, limit: int) -> list[Any]:
    items, used = _turns(value), 0
    for index in range(len(items) - 1, -1, -1):
        used += _counted(_content(items[index]))
        if used > limit:
            return items[index + 1 :]
    return items


def _counted(text: str) -> int:
    current.get().room_for(len(text))
    return estimate(text)


def _limit(value: Any) -> int:
    number = whole(value)
    if not 0 <= number <= MAX_TOKENS:
        raise TemplateRefused(f"{number:,} tokens are refused (0 to {MAX_TOKENS:,})")
    return number


def _is_turns(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _turns(value: Any) -> list[Any]:
    if not _is_turns(value):
        raise TemplateRefused(f"a history is a list, not a {type(value).__name__}")
    return list(value)


def _role(item: Any) -> Any:
    return item.get("role") if isinstance(item, Mapping) else None


def _content(item: Any) -> str:
    content = item.get("content", "") if isinstance(item, Mapping) else item
    return text_of("" if content is None else content)
