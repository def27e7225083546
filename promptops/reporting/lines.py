"""Lines with a meaning instead of a colour: what they look like is decided where they are shown."""

from __future__ import annotations

from collections.abc import Iterable
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


def painted(lines: Iterable[Line], *, color: bool) -> str:
    """The lines as text, with ANSI colours where `color` is true."""
    return "\n".join(
        f"\x1b[{_CODES[line.style]}m{line.text}\x1b[0m" if color and _CODES[line.style] else line.text for line in lines
    )
