"""Lines with a meaning instead of a colour: what they look like is decided where they are shown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from typing import Literal

from msgspec import Struct

Style = Literal["plain", "title", "good", "bad", "warn", "dim"]

MARKUP: dict[Style, dict[str, bool]] = {
    "plain": {},
    "title": {"bold": True},
    "good": {"green": True},
    "bad": {"red": True},
    "warn": {"yellow": True},
    "dim": {"light": True},
}
"""The keyword arguments of pytest's `TerminalWriter.line` for each style."""

_CODES: dict[Style, str] = {"plain": "", "title": "1", "good": "32", "bad": "31", "warn": "33", "dim": "2"}


class Line(Struct, frozen=True):
    """One line of a report; `text` is already safe for a terminal."""

    text: str
    style: Style = "plain"


def wrapped(lines: Iterable[Line], width: int) -> Iterator[Line]:
    """The lines broken at words to `width` columns, what follows a little further in; long words stay whole."""
    for line in lines:
        indent = " " * (len(line.text) - len(line.text.lstrip()) + 4)
        parts = textwrap.wrap(
            line.text, max(width, 40), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )
        yield from (Line(part, line.style) for part in parts or [line.text])


def painted(lines: Iterable[Line], *, color: bool) -> str:
    """The lines as text, with ANSI colours where `color` is true."""
    return "\n".join(
        f"\x1b[{_CODES[line.style]}m{line.text}\x1b[0m" if color and _CODES[line.style] else line.text for line in lines
    )
