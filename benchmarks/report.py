"""What a benchmark found: as a document for machines, as a table for people, as a page for the docs."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import goals
from benchmarks.goals import Goal
from benchmarks.rounds import Result, Row

FORMAT = 1
BEGIN, END = "<!-- figures: make bench -->", "<!-- end of figures -->"
_UNITS = {"times": "×"}  # noqa: RUF001 - the sign is meant
MARKS = {True: "held", False: "missed", None: "not measured"}


def document(results: Sequence[Result], promised: Sequence[Goal], options: Mapping[str, Any]) -> dict[str, Any]:
    """Everything, as plain data."""
    return {
        "format": FORMAT,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": machine(),
        "options": dict(options),
        "goals": [{**asdict(goal), "held": goal.held} for goal in promised],
        "sections": [
            {
                "key": result.section.key,
                "cases": result.section.count,
                "concurrency": result.section.concurrency,
                "yardstick": result.section.yardstick,
                "server": _busiest(result),
                "rows": [_plain(row) for row in result.rows],
            }
            for result in results
        ],
    }


def machine() -> dict[str, Any]:
    """Where it was measured."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def table(found: Mapping[str, Any]) -> str:
    """The document as text for a terminal."""
    lines = []
    for section in found["sections"]:
        lines += [f"{_title(section)}", *_aligned([_HEAD, *map(_cells, section["rows"])])]
        lines += [_note(section), ""]
    return "\n".join([*lines, "goals", *_aligned([("", "value", "limit", ""), *_marked(found)])])


def page(found: Mapping[str, Any]) -> str:
    """The document as tables in Markdown."""
    about = found["machine"]
    where = f"{about['processor']}, {about['cores']} cores, {about['system']}, Python {about['python']}"
    lines = [
        f"Measured on {found['date']}: {where}.",
        "",
        *_rows(("goal", "value", "limit", ""), _marked(found)),
    ]
    for section in found["sections"]:
        lines += ["", f"### {_title(section)}", "", *_rows(_HEAD, map(_cells, section["rows"])), "", _note(section)]
    return "\n".join(lines) + "\n"


def replaced(text: str, found: Mapping[str, Any]) -> str:
    """The text of a page with the figures between its two marks replaced; raises `ValueError` where it has no marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n\n{page(found)}\n{END}{after}"


_HEAD = ("", "version", "s", "ratio", "CPU s", "MiB", "asked", "in flight", "")


def _plain(row: Row) -> dict[str, Any]:
    summary = {}
    if row.runs:
        summary = {
            "wall": round(goals.wall(row), 3),
            "ratio": round(goals.ratio(row), 3) if row.ratios else None,
            "cpu": round(goals.cpu(row), 3),
            "rss": goals.memory(row),
            "requests": row.runs[0].requests,
            "peak": max(run.peak for run in row.runs),
            "first": round(goals.first(row), 3),
        }
    kept = ("wall", "cpu", "rss", "requests", "peak", "first", "server_cpu")
    runs = [{name: round(getattr(run, name), 4) for name in kept} for run in row.runs]
    return {"name": row.name, "kind": row.kind, "version": row.version, "problem": row.problem, **summary, "runs": runs}


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    if "wall" not in row:
        return (row["name"], row["version"], *[""] * 6, _first_line(row["problem"]))
    ratio = f"{row['ratio']:.2f}" if row["ratio"] is not None else ""
    figures = (f"{row['wall']:.2f}", ratio, f"{row['cpu']:.2f}", f"{row['rss'] / goals.MIB:.0f}")
    asked = f"{row['requests']:,}"
    return (row["name"], row["version"], *figures, asked, str(row["peak"] or ""), _first_line(row["problem"]))


def _marked(found: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    return [(goal["title"], _amount(goal), _limit(goal), MARKS[goal["held"]]) for goal in found["goals"]]


def _title(section: Mapping[str, Any]) -> str:
    cases = f"{section['cases']:,} case{'' if section['cases'] == 1 else 's'}"
    return f"{section['key']}: {cases}, {section['concurrency']} in flight"


def _busiest(result: Result) -> float:
    """The largest share of one core that the server used during a run; near 1 it is what limits."""
    return round(max((run.server_cpu / run.wall for row in result.rows for run in row.runs), default=0.0), 3)


def _note(section: Mapping[str, Any]) -> str:
    return f"The server used at most {section['server']:.0%} of a core."


def _amount(goal: Mapping[str, Any]) -> str:
    return "" if goal["value"] is None else f"{goal['value']:.2f} {_UNITS.get(goal['unit'], goal['unit'])}"


def _limit(goal: Mapping[str, Any]) -> str:
    return f"{'≥' if goal['at_least'] else '≤'} {goal['limit']:g} {_UNITS.get(goal['unit'], goal['unit'])}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if place in (0, 1, len(row) - 1) else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _rows(head: Sequence[str], rows: Any) -> list[str]:
    line = "| {} |".format
    return [line(" | ".join(head)), "|" + " --- |" * len(head), *(line(" | ".join(row)) for row in rows)]


def _first_line(text: str) -> str:
    return text.splitlines()[0][:100] if text else ""


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()
