"""A report in Markdown, short enough for a pull-request comment (64 KB)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from promptops.core.report import CaseRow, VersionSummary
from promptops.reporting.failure import failure_text
from promptops.reporting.safe import markdown, markdown_block
from promptops.reporting.summary import headline, lost, money, seconds, validation

_LIMIT = 60_000
_RED_FIRST = ("broke", "error", "unmeasurable", "fixed", "known")


def render_markdown(
    title: str, meta: Mapping[str, str], rows: Sequence[CaseRow], summaries: Sequence[VersionSummary]
) -> str:
    """Versions as a table, then the cases that are not simply passed, worst first, until the limit is reached."""
    parts = [f"## {markdown(title)}\n", *_table(summaries)]
    used = sum(map(len, parts))
    told = sorted((row for row in rows if row.standing in _RED_FIRST), key=lambda row: _RED_FIRST.index(row.standing))
    for number, row in enumerate(told):
        part = f"\n### {row.standing}: {markdown(f'{row.prompt}@{row.version} {row.case}')}\n\n"
        part += markdown_block(failure_text(row)) + "\n"
        if used + len(part) > _LIMIT:
            parts.append(f"\n… and {len(told) - number} more cases\n")
            break
        parts.append(part)
        used += len(part)
    parts += [f"\n{markdown(name)}: {markdown(value)}  " for name, value in meta.items()]
    return "".join(parts).rstrip() + "\n"


def _table(summaries: Sequence[VersionSummary]) -> Iterator[str]:
    yield f"\n| version | pin | result | pass rate | valid output | cost | p50 | p95 |\n{'| --- ' * 8}|\n"
    for summary in summaries:
        rate = f"{summary.rate:.1%}" if summary.rate is not None else "not measured"
        if summary.interval:
            rate += f" ({summary.interval[0]:.1%} to {summary.interval[1]:.1%})"
        cells = [
            markdown(f"{summary.prompt}@{summary.version}"),
            markdown(summary.pin),
            headline(summary),
            rate,
            (validation(summary) or "no contract") + ("; **prompt or schema**" if summary.suspect else ""),
            money(summary.cost) + (f"; {lost(summary)}" if summary.lost != 0 else ""),
            *(seconds(value) if value is not None else "" for value in (summary.p50, summary.p95)),
        ]
        yield f"| {' | '.join(cells)} |\n"
