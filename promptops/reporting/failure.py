"""One failing case, told like a code review: what was asked, what came back, what differs, against which version."""

from __future__ import annotations

import json
import unicodedata
from collections import defaultdict
from collections.abc import Iterator

from promptops.core.diff import around
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
    told, twins = check.differences[:_DIFFERENCES], defaultdict[str, set[str]](set)
    for difference in told:
        twins[folded(difference.path)].add(difference.path)
    for difference in told:
        yield from _difference(difference, escapes=len(twins[folded(difference.path)]) > 1)
    if (more := len(check.differences) - _DIFFERENCES) > 0:
        yield Line(f"{'':{_MARGIN + 2}}… and {more} more", "dim")
    if check.traceback:
        yield from _labelled("", check.traceback, "dim")


def _difference(difference: Difference, *, escapes: bool) -> Iterator[Line]:
    """Three lines; `escapes`: of a path that looks like another one."""
    indent, place = " " * (_MARGIN + 2), where(difference)
    if escapes:
        place = place.encode("ascii", "backslashreplace").decode()
    yield Line(f"{indent}{one_line(place)}", "dim")
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
    """Both values of a difference as `shown`; the one that is missing in words.

    Of long texts what is around the first place that differs. Texts that look the same are told apart by escapes.
    """
    one, other = difference.expected, difference.actual
    if isinstance(one, str) and isinstance(other, str) and one != other:
        escapes = folded(one) == folded(other)
        # An escape takes six characters, and the difference is to come before the line is cut.
        parts = around(one, other, limit // 6 if escapes else limit - 10)
        return shown(parts[0], limit, escapes=escapes), shown(parts[1], limit, escapes=escapes)
    expected = "nothing there" if difference.kind.endswith("_added") else shown(difference.expected, limit)
    actual = "nothing there" if difference.kind.endswith("_removed") else shown(difference.actual, limit)
    return expected, actual


def shown(value: Json, limit: int = 200, *, escapes: bool = False) -> str:
    """A JSON value on one line, at most about `limit` characters, safe for a terminal."""
    return one_line(json.dumps(value, ensure_ascii=escapes, default=str), limit)


def folded(text: str) -> str:
    """What a reader sees of a text: one normal form, a blank for every kind of it, and nothing that has no width."""
    return "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
