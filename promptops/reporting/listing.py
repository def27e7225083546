"""What a summary lists by name beside failures: cases that were fixed, and cases that could not be measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from promptops.core.report import CaseRow
from promptops.reporting.lines import Line, Style
from promptops.reporting.safe import one_line

_NAMES = 20
_HINTS = 5
_STYLES: dict[str, Style] = {"fixed": "good", "unmeasurable": "warn"}


def listed_lines(rows: Sequence[CaseRow]) -> Iterator[Line]:
    """One line for each version and reason, with the cases by name, and what to do next."""
    for standing, style in _STYLES.items():
        groups: dict[tuple[str, str], list[CaseRow]] = {}
        for row in rows:
            if row.standing == standing:
                groups.setdefault((f"{row.prompt}@{row.version}", row.failure), []).append(row)
        for (version, _), members in groups.items():
            yield Line(f"{standing}: {version} {_names(members)}{_why(members)}", style)
    hints = dict.fromkeys(row.hint for row in rows if row.standing == "unmeasurable" and row.hint)
    for hint in list(hints)[:_HINTS]:
        yield Line(f"  next: {one_line(hint, 400)}", "title")


def _names(rows: Sequence[CaseRow]) -> str:
    more = f" … and {len(rows) - _NAMES} more" if len(rows) > _NAMES else ""
    return one_line(", ".join(row.case for row in rows[:_NAMES]) + more, 400)


def _why(rows: Sequence[CaseRow]) -> str:
    """The first reason: those of one kind differ in the name of the case only."""
    first = rows[0]
    told = f"{first.failure.replace('_', ' ')}: {first.message}" if first.failure else first.reason
    return f"  {one_line(told)}" if told else ""
