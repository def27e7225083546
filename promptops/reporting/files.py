"""Report files: the ending of the name chooses the format."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from promptops.core.report import CaseRow, VersionSummary, summarise
from promptops.errors import UsageError
from promptops.reporting.html import render_html
from promptops.reporting.markdown import render_markdown
from promptops.store.atomic import write_text


@dataclass(frozen=True)
class RunReport:
    """Everything a report file says. `meta` is shown as it is: mode, started, command, git head …"""

    title: str
    rows: Sequence[CaseRow]
    meta: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def summaries(self) -> list[VersionSummary]:
        return summarise(self.rows)


def render_json(report: RunReport) -> str:
    """One JSON document: `format`, `title`, `meta`, `summaries`, `cases`."""
    document: dict[str, Any] = {
        "format": 1,
        "title": report.title,
        "meta": dict(report.meta),
        "summaries": [_plain(summary) for summary in report.summaries],
        "cases": [row.to_json() for row in report.rows],
    }
    return json.dumps(document, indent=1, ensure_ascii=True) + "\n"


def _plain(summary: VersionSummary) -> dict[str, Any]:
    return {name: getattr(summary, name) for name in summary.__struct_fields__}


_FORMATS: dict[str, Callable[[RunReport], str]] = {
    ".html": lambda report: render_html(report.title, report.meta, report.rows, report.summaries),
    ".json": render_json,
    ".md": lambda report: render_markdown(report.title, report.meta, report.rows, report.summaries),
}


def check_report_path(path: Path) -> None:
    """Raise `UsageError` where no format belongs to the ending of `path`."""
    if path.suffix not in _FORMATS:
        raise UsageError(f"{str(path)!r}: no report format of that ending; write {', '.join(_FORMATS)}")


def write_report(path: Path, report: RunReport) -> None:
    """Write `report` to `path`, in one piece, making its folder."""
    check_report_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, _FORMATS[path.suffix](report))
