"""Draws the figures as an SVG that reads on light and dark pages: `python -m benchmarks.chart IN.json OUT.svg`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

WIDTH, ROW, LEFT, GAP, TOP = 880, 26, 190, 40, 74
_ACCESSIBLE = 'role="img" aria-labelledby="title description"'
_STYLE = """
  text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #24292f }
  .title { font-size: 16px; font-weight: 600 }
  .small { font-size: 12px; fill: #57606a }
  .bare { fill: #8c959f } .peer { fill: #bf8700 } .ours { fill: #1a7f37 } .yardstick { fill: #8c959f }
  .axis { stroke: #8c959f; stroke-dasharray: 3 3 }
  .cut { stroke: #ffffff; stroke-width: 3 }
  .page { fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .small { fill: #9198a1 }
    .bare, .yardstick { fill: #6e7681 } .peer { fill: #d29922 } .ours { fill: #3fb950 }
    .axis { stroke: #6e7681 } .cut { stroke: #0d1117 } .page { fill: #0d1117 }
  }
"""


def draw(found: Mapping[str, Any]) -> str:
    """Return the chart of the section "side by side": seconds on the left, CPU seconds on the right."""
    sections = [one for one in found["sections"] if one["key"] == "side by side"]
    section: Mapping[str, Any] = sections[0] if sections else {"rows": []}
    rows = [row for row in section["rows"] if "wall" in row and not row["problem"]]
    rows.sort(key=lambda row: row["wall"])
    height = TOP + ROW * len(rows) + 44
    half = (WIDTH - LEFT - 2 * GAP) // 2
    title = _heading(found, section)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {_ACCESSIBLE}>',
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="description">{escape(_described(rows))}</desc>',
        f"<style>{_STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{height}" rx="6"/>',
        f'<text class="title" x="16" y="28">{escape(title)}</text>',
        *(
            f'<text x="{LEFT - 10}" y="{_middle(place)}" text-anchor="end">{escape(row["name"])}</text>'
            for place, row in enumerate(rows)
        ),
        *_panel(rows, "wall", LEFT, half, "seconds, whole process"),
        *_panel(rows, "cpu", LEFT + half + GAP, half, "CPU seconds"),
        f'<text class="small" x="16" y="{height - 14}">{escape(_footer(found))}</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _panel(rows: list[Any], key: str, left: int, width: int, title: str) -> list[str]:
    """One bar a row. The axis ends at the third longest bar, so that one very slow contestant hides nothing."""
    values = [row[key] for row in rows]
    end = max(1.1 * sorted(values)[max(0, len(values) - 3)], 0.1) if values else 1.0
    room = width - 48
    parts = [f'<text class="small" x="{left}" y="56">{title}</text>']
    for place, row in enumerate(rows):
        length, top = min(1.0, row[key] / end) * room, TOP + ROW * place
        parts.append(
            f'<rect class="{row["kind"]}" x="{left}" y="{top}" width="{max(length, 1):.1f}" height="{ROW - 8}" rx="2"/>'
        )
        if row[key] > end:
            at = left + room - 16
            parts.append(f'<path class="cut" d="M{at} {top + ROW - 6} l6 {4 - ROW}"/>')
        parts.append(f'<text x="{left + length + 6:.1f}" y="{_middle(place)}">{_seconds(row[key])}</text>')
    return parts


def _middle(place: int) -> int:
    return TOP + ROW * place + ROW // 2 + 1


def _seconds(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def _heading(found: Mapping[str, Any], section: Mapping[str, Any]) -> str:
    if not section["rows"]:
        return "Nothing was measured"
    return f"{section['cases']:,} cases of {found['options']['latency']}, {section['concurrency']} in flight"


def _described(rows: list[Any]) -> str:
    each = (f"{row['name']} {_seconds(row['wall'])} s and {_seconds(row['cpu'])} CPU s" for row in rows)
    return "Bars of the time of whole processes, fastest first: " + ", ".join(each) + "."


def _footer(found: Mapping[str, Any]) -> str:
    about = found["machine"]
    where = f"{about['processor']}, {about['cores']} cores, Python {about['python']}, {found['date']}"
    return f"grey: bare loops; green: promptops; yellow: other tools. {where}"


def main(source: str, target: str) -> int:
    Path(target).write_text(draw(json.loads(Path(source).read_text(encoding="utf-8"))), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
