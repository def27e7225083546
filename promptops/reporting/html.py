"""A report as one HTML page: no script, nothing loaded from elsewhere, everything escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2

from promptops.core.report import STANDINGS, CaseRow, VersionSummary
from promptops.reporting.failure import HEADLINE, sides, where
from promptops.reporting.safe import clipped, plain
from promptops.reporting.summary import headline, lost, money, seconds, validation

_WORST_FIRST = ("broke", "error", "unmeasurable", "fixed", "known", "passed")


def render_html(
    title: str, meta: Mapping[str, str], rows: Sequence[CaseRow], summaries: Sequence[VersionSummary]
) -> str:
    """Return the page: versions as a table, then every case, worst first; passed cases are folded."""
    ordered = sorted(rows, key=lambda row: (_WORST_FIRST.index(row.standing), row.prompt, row.version))
    groups = [(name, [row for row in ordered if row.standing == name]) for name in _WORST_FIRST]
    return _template().render(
        title=title,
        meta=meta,
        summaries=summaries,
        groups=[(name, HEADLINE[name][0], members) for name, members in groups if members],
        standings=STANDINGS,
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, finalize=_visible, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "headline": headline,
        "lost": lost,
        "money": money,
        "seconds": seconds,
        "sides": sides,
        "validation": validation,
        "where": where,
    }
    return environment.from_string((files("promptops.reporting") / "report.html.j2").read_text(encoding="utf-8"))


def _visible(value: Any) -> Any:
    """Control and direction-changing characters of hostile text become visible escapes."""
    return plain(clipped(value)) if isinstance(value, str) and not hasattr(value, "__html__") else value
