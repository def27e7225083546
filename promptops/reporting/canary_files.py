"""A canary as a file: Markdown for a pull request, HTML for people, JSON for programs; the ending chooses."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from promptops.errors import UsageError
from promptops.reporting.canary_metrics import HEAD
from promptops.reporting.lines import Line
from promptops.reporting.safe import html, markdown, markdown_block
from promptops.store.atomic import write_text

_LIMIT = 60_000
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title><style>
:root {{ color-scheme: light dark; }}
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; }}
th, td {{ text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #8884; }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem; }}
.good {{ color: #1a7f37; }} .bad {{ color: #cf222e; }} .warn {{ color: #9a6700; }}
.dim {{ opacity: .75; }} .title {{ font-weight: 600; }}
</style></head><body><h1>{title}</h1><p>{why}</p>{table}<pre>{lines}</pre></body></html>
"""


class CanaryReport(Struct, frozen=True):
    """What a report file says: `title` is the verdict and what it is of, `lines` are those of the terminal."""

    title: str
    lines: Sequence[Line]
    rows: Sequence[Sequence[str]]
    document: Mapping[str, Any]


def check_canary_report_path(path: Path) -> None:
    """Raise `UsageError` where no format belongs to the ending of `path`."""
    if path.suffix not in _FORMATS:
        raise UsageError(f"{str(path)!r}: no report format of that ending; write {', '.join(_FORMATS)}")


def write_canary_report(path: Path, report: CanaryReport) -> None:
    """Write `report` to `path` in one piece, making its folder."""
    check_canary_report_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, _FORMATS[path.suffix](report))


def _markdown(report: CanaryReport) -> str:
    parts = [f"## {markdown(report.title)}\n\n"]
    if report.rows:
        parts += [_row(HEAD), f"|{' --- |' * len(HEAD)}\n", *map(_row, report.rows), "\n"]
    text = "\n".join(line.text for line in report.lines)
    if len(text) > _LIMIT:
        text = text[:_LIMIT] + "\n… (the rest is in the JSON report)"
    return "".join([*parts, markdown_block(text), "\n"])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(markdown, cells))} |\n"


def _html(report: CanaryReport) -> str:
    rows = "".join(f"<tr>{''.join(f'<td>{html(cell)}</td>' for cell in row)}</tr>" for row in report.rows)
    head = "".join(f"<th>{html(name)}</th>" for name in HEAD)
    table = f"<table><tr>{head}</tr>{rows}</table>" if report.rows else ""
    why, *rest = (f'<span class="{line.style}">{html(line.text)}</span>' for line in report.lines)
    return _PAGE.format(title=html(report.title), why=why, table=table, lines="\n".join(rest))


def _json(report: CanaryReport) -> str:
    return json.dumps(report.document, indent=1, ensure_ascii=True, sort_keys=True) + "\n"


_FORMATS: dict[str, Callable[[CanaryReport], str]] = {".html": _html, ".json": _json, ".md": _markdown}
