"""Two kinds of plots as SVG that read on light and dark pages: shares with their intervals, and curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, ROW, LEFT, TOP = 760, 17, 290, 60
_STYLE = """
  text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #24292f }
  .title { font-size: 15px; font-weight: 600 }
  .page { fill: #ffffff } .dot { fill: #1a7f37 } .bar { stroke: #1a7f37; stroke-width: 2 }
  .limit { stroke: #cf222e; stroke-dasharray: 4 3 } .axis { stroke: #8c959f }
  .one { stroke: #1a7f37 } .two { stroke: #8c959f } .three { stroke: #bf8700 } .four { stroke: #0969da }
  polyline { fill: none; stroke-width: 2 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .page { fill: #0d1117 } .dot { fill: #3fb950 } .bar { stroke: #3fb950 }
    .one { stroke: #3fb950 } .three { stroke: #d29922 } .four { stroke: #58a6ff }
  }
"""
_CLASSES = ("one", "two", "three", "four")
Share = tuple[str, float, float, float]
"""Label, lower limit, value, upper limit."""


def intervals(title: str, rows: Sequence[Share], *, limit: float, most: float) -> str:
    """One line a row on an axis from 0 to `most`, with a dashed line at `limit`."""
    height, scale = TOP + ROW * len(rows) + 40, (WIDTH - LEFT - 30) / most
    parts = [f'<text class="title" x="16" y="28">{escape(title)}</text>']
    for place, (label, low, value, high) in enumerate(rows):
        y = TOP + ROW * place
        parts += [
            f'<text x="{LEFT - 10}" y="{y + 4}" text-anchor="end">{escape(label)}</text>',
            f'<line class="bar" x1="{_x(low, scale, most)}" x2="{_x(high, scale, most)}" y1="{y}" y2="{y}"/>',
            f'<circle class="dot" cx="{_x(value, scale, most)}" cy="{y}" r="3.5"/>',
        ]
    bottom = TOP + ROW * len(rows)
    at = _x(limit, scale, most)
    parts += [
        f'<line class="limit" x1="{at}" x2="{at}" y1="{TOP - 14}" y2="{bottom}"/>',
        f'<text x="{at}" y="{TOP - 18}" text-anchor="middle">{limit:g}</text>',
        f'<line class="axis" x1="{LEFT}" x2="{WIDTH - 30}" y1="{bottom}" y2="{bottom}"/>',
        f'<text x="{LEFT}" y="{bottom + 18}" text-anchor="middle">0</text>',
        f'<text x="{WIDTH - 30}" y="{bottom + 18}" text-anchor="middle">{most:g}</text>',
    ]
    return _svg(title, height, parts)


def curves(title: str, series: Mapping[str, Sequence[tuple[float, float]]], *, across: str, most: float) -> str:
    """One curve a name, over the x of its points, on an axis from 0 to `most`."""
    height, left, bottom = 360, 60, 300
    points = [x for line in series.values() for x, _ in line]
    low, high = min(points), max(points)
    parts = [f'<text class="title" x="16" y="28">{escape(title)}</text>']
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = bottom - share * (bottom - TOP)
        parts.append(f'<line class="axis" x1="{left}" x2="560" y1="{y:.1f}" y2="{y:.1f}" opacity=".3"/>')
        parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{most * share:g}</text>')
    for place, (name, line) in enumerate(series.items()):
        drawn = " ".join(
            f"{left + (x - low) / (high - low) * (560 - left):.1f},{bottom - y / most * (bottom - TOP):.1f}"
            for x, y in line
        )
        kind, y = _CLASSES[place % len(_CLASSES)], TOP + 22 * place
        parts.append(f'<polyline class="{kind}" points="{drawn}"/>')
        parts.append(f'<line class="{kind}" stroke-width="3" x1="580" x2="604" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="610" y="{y + 4}">{escape(name)}</text>')
    parts.append(f'<text x="{left}" y="{bottom + 20}" text-anchor="middle">{low:g}</text>')
    parts.append(f'<text x="560" y="{bottom + 20}" text-anchor="middle">{high:g}</text>')
    parts.append(f'<text x="310" y="{bottom + 36}" text-anchor="middle">{escape(across)}</text>')
    return _svg(title, height, parts)


def _x(value: float, scale: float, most: float) -> str:
    return f"{LEFT + min(value, most) * scale:.1f}"


def _svg(title: str, height: int, parts: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="title">'
    page = f'<rect class="page" width="{WIDTH}" height="{height}" rx="6"/>'
    return "\n".join(
        [head, f'<title id="title">{escape(title)}</title>', f"<style>{_STYLE}</style>", page, *parts, "</svg>\n"]
    )
