"""A run in words: every case that is not simply passed, the suites, then the summary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from promptops.core.report import CaseRow, in_order
from promptops.reporting.failure import failure_lines
from promptops.reporting.lines import Line, Style
from promptops.reporting.listing import Listing
from promptops.reporting.safe import one_line
from promptops.reporting.summary import summary_lines
from promptops.runner import versions
from promptops.runner.versions import VersionResult

_STORIES = 10
_LISTED = 20


class RunReport:
    """Takes the rows of a run as they come, holds those that are told, and words the whole."""

    def __init__(self) -> None:
        self._bad: list[CaseRow] = []
        self._more = 0
        self._listing = Listing()

    def add(self, row: CaseRow) -> None:
        """Take one row."""
        if row.standing in ("broke", "error"):
            if len(self._bad) < _STORIES + _LISTED:
                self._bad.append(row)
            else:
                self._more += 1
        self._listing.add(row)

    def lines(self, found: Sequence[VersionResult], written: Mapping[str, str]) -> list[Line]:
        """All lines of the report, safe for a terminal; `written` maps a version to its evidence file."""
        return [
            *self._stories(),
            *self._listing.lines(),
            *(line for result in found for line in _suite(result)),
            *summary_lines(in_order(result.summary for result in found)),
            *(line for result in found for line in _evidence(result, written)),
        ]

    def _stories(self) -> Iterator[Line]:
        for row in self._bad[:_STORIES]:
            yield from failure_lines(row)
            yield Line("")
        if named := self._bad[_STORIES:]:
            names = ", ".join(f"{row.version} {row.case}" for row in named)
            yield Line(one_line(f"{len(named) + self._more} more broke: {names}", 600), "bad")


def _suite(result: VersionResult) -> Iterator[Line]:
    styles: dict[str, Style] = {"fail": "bad", "pass": "good"}
    for finding in result.suite.findings if result.suite else ():
        text = one_line(f"{result.target.name} {finding.status}: {finding.text}", 300)
        yield Line(text, styles.get(finding.status, "warn"))


def _evidence(result: VersionResult, written: Mapping[str, str]) -> Iterator[Line]:
    name = result.target.name
    if name in written:
        yield Line(f"evidence: {written[name]}; commit it")
    elif result.too_large:
        told = f"{name}: evidence names the outcome of each case, and {result.target.total:,} are too many for that (at"
        hint = "what is to be released needs a smaller dataset (`dataset` in prompt.yaml)"
        yield Line(f"{told} most {versions.MOST_EVIDENCE:,}); {hint}", "dim")
    elif result.cases_verdict == "unmeasurable":
        yield Line(f"{name}: not every case could be measured, so this is no evidence", "dim")
    elif result.copied:
        hint = "run it with --no-cache, or with --mode replay where it is recorded"
        yield Line(f"{name}: replies may be copies out of the cache, so this is no evidence: {hint}", "dim")
    elif result.target.partial:
        yield Line(
            f"{name}: {len(result.results)} of {result.target.total} cases were run, so this is no evidence", "dim"
        )
