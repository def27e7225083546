"""A run in words: every case that is not simply passed, the suites, then the summary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from promptops.core.report import CaseRow, summarise
from promptops.reporting.failure import failure_lines
from promptops.reporting.lines import Line, Style
from promptops.reporting.listing import listed_lines
from promptops.reporting.safe import one_line
from promptops.reporting.summary import summary_lines
from promptops.runner.versions import VersionResult

_STORIES = 10
_LISTED = 20


def run_lines(found: Sequence[VersionResult], written: Mapping[str, str]) -> list[Line]:
    """All lines of a run's report, safe for a terminal; `written` maps a version to its evidence file."""
    rows = [row for result in found for row in result.rows]
    return [
        *_stories(rows),
        *listed_lines(rows),
        *(line for result in found for line in _suite(result)),
        *summary_lines(summarise(rows)),
        *(line for result in found for line in _evidence(result, written)),
    ]


def _stories(rows: Sequence[CaseRow]) -> Iterator[Line]:
    bad = [row for row in rows if row.standing in ("broke", "error")]
    for row in bad[:_STORIES]:
        yield from failure_lines(row)
        yield Line("")
    if len(bad) > _STORIES:
        names = ", ".join(f"{row.version} {row.case}" for row in bad[_STORIES : _STORIES + _LISTED])
        yield Line(one_line(f"{len(bad) - _STORIES} more broke: {names}", 600), "bad")


def _suite(result: VersionResult) -> Iterator[Line]:
    styles: dict[str, Style] = {"fail": "bad", "pass": "good"}
    for finding in result.suite.findings if result.suite else ():
        text = one_line(f"{result.target.name} {finding.status}: {finding.text}", 300)
        yield Line(text, styles.get(finding.status, "warn"))


def _evidence(result: VersionResult, written: Mapping[str, str]) -> Iterator[Line]:
    name = result.target.name
    if name in written:
        yield Line(f"evidence: {written[name]}; commit it")
    elif result.cases_verdict == "unmeasurable":
        yield Line(f"{name}: not every case could be measured, so this is no evidence", "dim")
    elif result.target.partial:
        yield Line(
            f"{name}: {len(result.results)} of {result.target.total} cases were run, so this is no evidence", "dim"
        )
