"""What a summary lists by name beside failures: cases that were fixed, and cases that could not be measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct, field

from promptops.core.report import CaseRow
from promptops.models import Standing
from promptops.reporting.lines import Line, Style
from promptops.reporting.safe import one_line

_NAMES = 20
_HINTS = 5
_STYLES: dict[Standing, Style] = {"fixed": "good", "unmeasurable": "warn"}


class _Group(Struct):
    """The cases of one version and reason: the first of them, the names of some, how many there are."""

    first: CaseRow
    names: list[str] = field(default_factory=list)
    count: int = 0


class Listing:
    """Takes the rows of a run as they come, and holds only what its lines name."""

    def __init__(self) -> None:
        self._groups: dict[Standing, dict[tuple[str, str], _Group]] = {standing: {} for standing in _STYLES}
        self._hints: dict[str, None] = {}

    def add(self, row: CaseRow) -> None:
        """Take one row."""
        if (groups := self._groups.get(row.standing)) is None:
            return
        group = groups.setdefault((f"{row.prompt}@{row.version}", row.failure), _Group(row))
        group.count += 1
        if group.count <= _NAMES:
            group.names.append(row.case)
        if row.standing == "unmeasurable" and row.hint and len(self._hints) < _HINTS:
            self._hints.setdefault(row.hint)

    def lines(self) -> Iterator[Line]:
        """One line for each version and reason, with the cases by name, and what to do next."""
        for standing, style in _STYLES.items():
            for (version, _), group in self._groups[standing].items():
                yield Line(f"{standing}: {version} {_names(group)}{_why(group.first)}", style)
        for hint in self._hints:
            yield Line(f"  next: {one_line(hint, 400)}", "title")


def listed_lines(rows: Iterable[CaseRow]) -> Iterator[Line]:
    """The lines of a `Listing` of `rows`."""
    listing = Listing()
    for row in rows:
        listing.add(row)
    return listing.lines()


def _names(group: _Group) -> str:
    more = f" … and {group.count - _NAMES} more" if group.count > _NAMES else ""
    return one_line(", ".join(group.names) + more, 400)


def _why(row: CaseRow) -> str:
    """The first reason: those of one kind differ in the name of the case only."""
    unmeasured = next((f"{check.label}: {check.message}" for check in row.checks if check.status == "unmeasured"), "")
    told = f"{row.failure.replace('_', ' ')}: {row.message}" if row.failure else row.reason or unmeasured
    return f"  {one_line(told)}" if told else ""
