"""What a failing item raises, and how pytest shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec import Struct

from promptops.core.report import CaseRow
from promptops.reporting.failure import failure_lines
from promptops.reporting.lines import MARKUP, Line, painted
from promptops.reporting.safe import one_line

if TYPE_CHECKING:
    from _pytest._io import TerminalWriter
    from _pytest.outcomes import Skipped
else:
    Skipped = pytest.skip.Exception


class ItemFailed(Exception):
    """An item is red, or a known failure: `lines` say why, `message` says it in one line."""

    def __init__(self, message: str, lines: list[Line]) -> None:
        self.message, self.lines = message, lines
        super().__init__(message)


class ItemUnmeasured(Skipped):
    """An item could not be measured or decided. pytest must not enter the debugger for it, as for any skip."""

    def __init__(self, message: str) -> None:
        super().__init__(message, _use_item_location=True)


# pytest takes the name of its own class out of the messages that it shows, and so calls it a built-in one.
ItemUnmeasured.__module__, ItemUnmeasured.__qualname__ = "builtins", "Skipped"


class Crash(Struct, frozen=True):
    """What pytest's short summary and JUnit show of a failure."""

    message: str
    path: str = ""
    lineno: int = 0


class Story:
    """A `longrepr`: coloured on a terminal, plain text everywhere else."""

    def __init__(self, message: str, lines: list[Line]) -> None:
        self.lines = lines
        self.reprcrash = Crash(message)

    def __str__(self) -> str:
        return painted(self.lines, color=False)

    def toterminal(self, writer: TerminalWriter) -> None:
        for line in self.lines:
            writer.line(line.text, **MARKUP[line.style])


def case_failed(row: CaseRow) -> ItemFailed:
    """The exception of one case."""
    return ItemFailed(message_of(row), failure_lines(row))


def story_of(row: CaseRow) -> Story:
    """The same story again, from the plain data that a worker sent."""
    return Story(message_of(row), failure_lines(row))


def story_again(message: str, text: str) -> Story:
    """The story of a suite or a canary again, from the text that a worker made of it: its first line is the title."""
    title, *rest = text.splitlines() or [""]
    return Story(message, [Line(title, "bad"), *(Line(line) for line in rest)])


def message_of(row: CaseRow) -> str:
    """One line for the short summary: the standing, and the first thing that is wrong."""
    if row.failure:
        return one_line(f"{row.standing}: {row.failure.replace('_', ' ')}: {row.message}")
    for check in (check for check in row.checks if check.status != "advice"):
        if check.differences:
            paths = ", ".join(difference.path for difference in check.differences[:3])
            return one_line(f"{row.standing}: {check.label}: {paths}")
        return one_line(f"{row.standing}: {check.label}: {check.message or check.status}")
    return one_line(f"{row.standing}: {row.reason}")
