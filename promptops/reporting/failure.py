"""One failing case, told like a code review: what was asked, what came back, what differs, against which version."""

from __future__ import annotations

import json
from collections.abc import Iterator

from promptops.core.report import CaseRow
from promptops.models import CheckResult, Difference, Json
from promptops.reporting.lines import Line, Style, painted
from promptops.reporting.safe import clipped, one_line, terminal

_MARGIN = 11
_TEXT_LINES = 12
_DIFFERENCES = 20

HEADLINE: dict[str, tuple[str, Style]] = {
    "broke": ("BROKE", "bad"),
    "known": ("known failure", "warn"),
    "fixed": ("fixed", "good"),
    "passed": ("passed", "good"),
    "error": ("ERROR", "bad"),
    "unmeasurable": ("unmeasurable", "warn"),
}


def failure_text(row: CaseRow, *, color: bool = False) -> str:
    """The whole story of one case, ready for a terminal."""
    return painted(failure_lines(row), color=color)


def failure_lines(row: CaseRow) -> list[Line]:
    """The same, line by line."""
    word, style = HEADLINE[row.standing]
    lines = [Line(f"{word}: {row.prompt}@{row.version} case {row.case}", style), Line(f"  {row.pin}", "dim")]
    lines += _labelled("where", row.where, "dim")
    lines += _labelled("baseline", row.against)
    lines += _labelled("because", row.reason)
    lines += _labelled("asked", row.asked)
    if row.failure:
        lines += _labelled("no answer", f"{row.failure}: {row.message}", "bad")
        lines += _labelled("next", row.hint)
        return lines
    for answer in row.earlier:
        lines += _labelled("at first", answer, "warn")
    lines += _labelled("answered", row.answered or "(nothing)")
    if row.cut:
        lines += _labelled("cut", "the answer ended at max_tokens or at the end of the context", "warn")
    if row.recorded_at:
        lines += _labelled("", f"recorded {row.recorded_at}", "dim")
    if row.of > 1:
        lines += _labelled("samples", f"{row.passes} of {row.of} passed")
    for repair in row.repairs:
        lines += _labelled("repaired", repair, "warn")
    for check in row.checks:
        lines += _check(check)
    return lines


def _check(check: CheckResult) -> Iterator[Line]:
    styles: dict[str, Style] = {"pass": "good", "advice": "warn"}
    style = styles.get(check.status, "bad")
    message = check.message or ("differs" if check.differences else "failed")
    yield from _labelled(check.label, message, style)
    for difference in check.differences[:_DIFFERENCES]:
        yield from _difference(difference)
    if (more := len(check.differences) - _DIFFERENCES) > 0:
        yield Line(f"{'':{_MARGIN + 2}}… and {more} more", "dim")
    if check.traceback:
        yield from _labelled("", check.traceback, "dim")


def _difference(difference: Difference) -> Iterator[Line]:
    indent = " " * (_MARGIN + 2)
    yield Line(f"{indent}{one_line(where(difference))}", "dim")
    expected, actual = sides(difference)
    yield Line(f"{indent}- expected {expected}", "good")
    yield Line(f"{indent}+ got      {actual}", "bad")


def _labelled(label: str, text: str, style: Style = "plain") -> Iterator[Line]:
    """`  label      text`, further lines under the first; at most 12 lines and 2,000 characters."""
    if not text:
        return
    rows = terminal(clipped(text, 2_000)).splitlines() or [""]
    label = one_line(label, 40)
    for number, line in enumerate(rows[:_TEXT_LINES]):
        head = label if number == 0 else ""
        yield Line(f"  {head:<{_MARGIN}}{line}" if len(head) < _MARGIN else f"  {head} {line}", style)
    if (more := len(rows) - _TEXT_LINES) > 0:
        yield Line(f"  {'':<{_MARGIN}}… and {more} more lines", "dim")


def where(difference: Difference) -> str:
    """The path of a difference, with the record of a list in which it stands, and another place in the output."""
    elsewhere = f"in the output {difference.actual_path}" if difference.actual_path else ""
    beside = ", ".join(filter(None, (difference.record, elsewhere)))
    return f"{difference.path} ({beside})" if beside else difference.path


def sides(difference: Difference, limit: int = 200) -> tuple[str, str]:
    """Both values of a difference as `shown`; the one that is missing in words."""
    expected = "nothing there" if difference.kind.endswith("_added") else shown(difference.expected, limit)
    actual = "nothing there" if difference.kind.endswith("_removed") else shown(difference.actual, limit)
    return expected, actual


def shown(value: Json, limit: int = 200) -> str:
    """A JSON value on one line, at most about `limit` characters, safe for a terminal."""
    return one_line(json.dumps(value, ensure_ascii=False, default=str), limit)
