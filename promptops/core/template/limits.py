"""What one rendering may use up: steps, processor time, text produced, the size of a value.

Every guarded operation asks the `Run` in force before or after it works, so that a template ends in `TemplateRefused`
long before it hurts, wherever the work hides: loops without output, recursion, doubling, formatting.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any, Final

from jinja2 import Undefined

from promptops.core.media import MediaReader
from promptops.errors import TemplateRefused
from promptops.models import Media, Message, ToolCall

MAX_OUTPUT: Final = 1_000_000  # characters of all messages of one rendering
MAX_VALUE: Final = 2_000_000  # characters and elements of one value, shared parts counted each time
MAX_PRODUCED: Final = 20_000_000  # characters and elements of all values made on the way
MAX_STEPS: Final = 500_000
MAX_SECONDS: Final = 1.0  # of processor time of this thread: a busy machine changes nothing
MAX_CALLS: Final = 60  # macros, recursive loops and role tags inside each other
MAX_DEPTH: Final = 50  # nesting of a value
MAX_BITS: Final = 1024  # of a whole number
_LOOK_AT_CLOCK: Final = 16  # steps


class Run:
    """One rendering: what it used and the messages it made. Messages never travel as text (see `roles`)."""

    __slots__ = (
        *("attached", "calls", "deadline", "depth", "media", "messages", "open_role", "output", "produced", "read"),
        "steps",
    )

    def __init__(self, read: MediaReader | None = None) -> None:
        self.steps = self.produced = self.output = self.depth = self.attached = 0
        self.read = read
        self.media: list[Media] = []
        self.calls: list[ToolCall] = []  # of the message that is open
        self.deadline: float | None = None  # from the first look at the clock on: most renderings end before it
        self.messages: list[Message] = []
        self.open_role: str | None = None

    def step(self, produced: int = 0) -> None:
        """Count one step of work that makes `produced` characters or elements."""
        self.steps += 1
        self.produced += produced
        if self.steps > MAX_STEPS:
            raise TemplateRefused(f"takes more than {MAX_STEPS:,} steps")
        if self.produced > MAX_PRODUCED:
            raise TemplateRefused(f"makes more than {MAX_PRODUCED:,} characters on the way")
        if not self.steps % _LOOK_AT_CLOCK:
            now = time.thread_time()
            self.deadline = now + MAX_SECONDS if self.deadline is None else self.deadline
            if now > self.deadline:
                raise TemplateRefused(f"takes more than {MAX_SECONDS:g} seconds")

    def room_for(self, size: int) -> None:
        """Refuse a value of `size` characters or elements before it is made."""
        if size > MAX_VALUE:
            raise TemplateRefused(f"makes a value of {size:,} characters or elements (at most {MAX_VALUE:,})")
        self.step(max(size, 0))

    def enter(self) -> None:
        self.depth += 1
        if self.depth > MAX_CALLS:
            raise TemplateRefused(f"calls itself or nests calls deeper than {MAX_CALLS}")

    def leave(self) -> None:
        self.depth -= 1


current: ContextVar[Run] = ContextVar("promptops_template_run")


def checked(value: Any) -> Any:
    """Return `value` if a template may hold it: plain JSON within the limits; raises `TemplateRefused`."""
    kind = type(value)
    if kind is bool or value is None:
        return value
    if kind is str:
        current.get().room_for(len(value))
    elif kind is int:
        if value.bit_length() > MAX_BITS:
            raise TemplateRefused(f"makes a whole number of more than {MAX_BITS} bits")
    elif kind is float:
        if value != value or value in (float("inf"), float("-inf")):
            raise TemplateRefused("makes a number that is not finite")
    elif not isinstance(value, Undefined):
        current.get().room_for(weigh([value]))
    return value


def weigh(values: Iterable[Any], limit: int = MAX_VALUE) -> int:
    """Count the characters and elements of values, shared parts each time they appear.

    Iterative, and ends at once past `limit`. Raises `TemplateRefused` for anything but plain JSON, for nesting deeper
    than `MAX_DEPTH` and for text that is not Unicode.
    """
    total = 0
    level: list[Any] = list(values)
    for _ in range(MAX_DEPTH):
        following: list[Any] = []
        for value in level:
            kind = type(value)
            total += 1
            if kind is str:
                total += len(value)
            elif kind is list or kind in _TUPLES:
                following += value
            elif kind is dict:
                for key in value:
                    if type(key) is not str:
                        raise TemplateRefused(f"a key is {_name(key)}, only text may be a key")
                    total += len(key)
                following += value.values()
            elif not (kind is bool or value is None):
                _number(kind, value)
            if total + len(following) > limit:
                raise TemplateRefused(f"makes a value of more than {limit:,} characters or elements")
        if not following:
            return total
        level = following
    raise TemplateRefused(f"a value is nested deeper than {MAX_DEPTH} levels")


_TUPLES: set[type] = {tuple}


def allow_tuple(kind: type) -> None:
    """Let a further kind of tuple count as a value (`groupby` makes named ones)."""
    _TUPLES.add(kind)


def _number(kind: type, value: Any) -> None:
    if kind is int:
        if value.bit_length() > MAX_BITS:
            raise TemplateRefused(f"a whole number has more than {MAX_BITS} bits")
    elif kind is float:
        if value != value or value in (float("inf"), float("-inf")):
            raise TemplateRefused("a number is not finite")
    else:
        if isinstance(value, Undefined):
            str(value)  # raises, and names what is missing, unless it comes from an `if` without `else`
        raise TemplateRefused(f"{_name(value)} is not plain data (text, numbers, true, false, null, lists, mappings)")


def _name(value: object) -> str:
    return f"a {type(value).__name__}"


def text_of(value: Any) -> str:
    """Return how a value prints; raises `TemplateRefused` for what is no plain data."""
    if type(value) is str:
        current.get().room_for(len(value))
        return value
    text = str(checked(value))
    current.get().room_for(len(text))
    return text
