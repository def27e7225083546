"""Quality against cost as an SVG that reads on light and dark pages: points with their intervals, the Pareto line.

The drawing brings its own page colour, so that it reads wherever it is put.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from msgspec import Struct

from promptops.core.model_choice import Choice, Row
from promptops.reporting.compare import clipped_name, dollars, enough_words
from promptops.reporting.safe import clipped, html
from promptops.runner.compare import ComparisonResult

WIDTH, HEIGHT = 900, 520
LEFT, RIGHT, TOP, BOTTOM = 70, 780, 70, 420
_STRIP = 840  # where models of unknown price stand
_LINE = 15  # height of a label
_WIDE = 6.8  # width of a letter of a label, about
_LOG_FROM = 8.0  # dearest over cheapest beyond which the axis is logarithmic
_LONGEST = 44  # letters of a label

_STYLE = """
  text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #24292f }
  .label { paint-order: stroke; stroke: #ffffff; stroke-width: 3px; stroke-linejoin: round }
  .title { font-size: 16px; font-weight: 600 } .small { fill: #57606a }
  .page { fill: #ffffff } .axis { stroke: #8c959f } .grid { stroke: #8c959f; opacity: .25 }
  .pareto { fill: none; stroke: #0969da; stroke-width: 2; stroke-dasharray: 6 3 }
  .leader { stroke: #8c959f; opacity: .6 } .ring { fill: none; stroke: #24292f; stroke-width: 1.5 }
  .good { fill: #1a7f37; stroke: #1a7f37 } .bad { fill: #cf222e; stroke: #cf222e }
  .open { fill: #9a6700; stroke: #9a6700 } .current { fill: #0969da; stroke: #0969da }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .small { fill: #9198a1 } .page { fill: #0d1117 } .ring { stroke: #e6edf3 }
    .pareto { stroke: #58a6ff } .label { stroke: #0d1117 }
    .good { fill: #3fb950; stroke: #3fb950 } .bad { fill: #f85149; stroke: #f85149 }
    .open { fill: #d29922; stroke: #d29922 } .current { fill: #58a6ff; stroke: #58a6ff }
  }
"""
_LEGEND = (
    ("current", "current"),
    ("good", "shown to be not worse"),
    ("open", "undecided"),
    ("bad", "worse"),
)


class _Axis(Struct, frozen=True):
    """From values to places on the page. `log`: equal steps are equal factors."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        low, high, value = (_log(v) if self.log else v for v in (self.low, self.high, value))
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round values, about five of them."""
        return _log_ticks(self.low, self.high) if self.log else _round_ticks(self.low, self.high)


class _Point(Struct, frozen=True):
    row: Row
    x: float
    y: float
    low: float
    high: float


def compare_svg(result: ComparisonResult) -> str:
    """Return the drawing; names are escaped, and nothing in it is loaded or run."""
    choice, name = result.choice, result.comparison.current.name
    shown = [row for row in choice.rows if row.quality is not None and row.interval is not None]
    across, up = _cost_axis(shown), _quality_axis(shown)
    points = [_placed(row, across, up) for row in shown]
    title = f"{name}: quality against cost, {choice.asked:,} cases"
    described = "; ".join(f"{row.pin} {row.quality or 0:.1%}, {dollars(row.cost)} $ per 1,000" for row in shown)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="t d">',
        f'<title id="t">{_text(title)}</title>',
        f'<desc id="d">{_text(described)}</desc>',
        f"<style>{_STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{HEIGHT}" rx="6"/>',
        f'<text class="title" x="16" y="28">{_text(title)}</text>',
        *_legend(),
        *_frame(across, up, unknown=any(row.cost is None for row in shown)),
        *_pareto_line(points),
        *(part for point in points for part in _drawn(point)),
        *_labels(points),
        *_footer(choice, shown),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _placed(row: Row, across: _Axis, up: _Axis) -> _Point:
    low, high = row.interval or (0.0, 1.0)
    x = _STRIP if row.cost is None else across.at(row.cost)
    return _Point(row, x, up.at(row.quality or 0.0), up.at(low), up.at(high))


def _cost_axis(rows: Sequence[Row]) -> _Axis:
    costs = [row.cost for row in rows if row.cost is not None]
    if not costs or max(costs) == 0:
        return _Axis(0.0, 1.0, LEFT, RIGHT)
    least, most = min(costs), max(costs)
    if least > 0 and most / least > _LOG_FROM:
        return _Axis(least / 1.5, most * 1.5, LEFT, RIGHT, log=True)
    return _Axis(0.0, most * 1.15, LEFT, RIGHT)


def _quality_axis(rows: Sequence[Row]) -> _Axis:
    """As much of 0 to 1 as the intervals need, in tenths."""
    least = min((row.interval[0] for row in rows if row.interval), default=0.0)
    most = max((row.interval[1] for row in rows if row.interval), default=1.0)
    low, high = math.floor(least * 10 + 1e-9) / 10, math.ceil(most * 10 - 1e-9) / 10
    return _Axis(low, max(high, low + 0.1), BOTTOM, TOP)


def _frame(across: _Axis, up: _Axis, *, unknown: bool) -> Iterator[str]:
    for value in up.ticks():
        y = up.at(value)
        yield f'<line class="grid" x1="{LEFT}" x2="{_STRIP + 30}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="small" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{100 * value:g} %</text>'
    yield f'<line class="axis" x1="{LEFT}" x2="{RIGHT}" y1="{BOTTOM}" y2="{BOTTOM}"/>'
    for value in across.ticks():
        x = across.at(value)
        yield f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{BOTTOM}" y2="{BOTTOM + 4}"/>'
        yield f'<text class="small" x="{x:.1f}" y="{BOTTOM + 18}" text-anchor="middle">${_plain(value)}</text>'
    scale = " (logarithmic)" if across.log else ""
    middle = (LEFT + RIGHT) / 2
    unit = f"US dollars per 1,000 requests{scale}"
    yield f'<text class="small" x="{middle}" y="{BOTTOM + 36}" text-anchor="middle">{unit}</text>'
    yield f'<text class="small" x="16" y="{TOP - 14}">pass rate, 95 % intervals</text>'
    if unknown:
        yield f'<text class="small" x="{_STRIP}" y="{BOTTOM + 18}" text-anchor="middle">price unknown</text>'


def _pareto_line(points: Sequence[_Point]) -> Iterator[str]:
    """The steps of the best quality that each sum buys."""
    best = sorted((point for point in points if point.row.pareto), key=lambda point: (point.x, -point.y))
    if not best:
        return
    path = f"M{best[0].x:.1f} {best[0].y:.1f}"
    path += "".join(f" H{point.x:.1f} V{point.y:.1f}" for point in best[1:])
    yield f'<path class="pareto" d="{path} H{RIGHT}"/>'


def _drawn(point: _Point) -> Iterator[str]:
    kind = _kind(point.row)
    yield f'<line class="{kind}" x1="{point.x:.1f}" x2="{point.x:.1f}" y1="{point.low:.1f}" y2="{point.high:.1f}"/>'
    for end in (point.low, point.high):
        yield f'<line class="{kind}" x1="{point.x - 4:.1f}" x2="{point.x + 4:.1f}" y1="{end:.1f}" y2="{end:.1f}"/>'
    yield f'<circle class="{kind}" cx="{point.x:.1f}" cy="{point.y:.1f}" r="5"/>'
    if point.row.current:
        yield f'<circle class="ring" cx="{point.x:.1f}" cy="{point.y:.1f}" r="9"/>'


def _kind(row: Row) -> str:
    if row.current:
        return "current"
    shown = row.against.shown if row.against else "unmeasurable"
    return {"not worse": "good", "worse": "bad"}.get(shown, "open")


def _labels(points: Sequence[_Point]) -> Iterator[str]:
    """Names beside their points, moved up or down until none covers another."""
    taken = [(point.y + 4, point.x - 10, point.x + 10) for point in points]
    for point in sorted(points, key=lambda point: (point.y, point.x)):
        name = clipped_name(point.row.pin, _LONGEST)
        width = _WIDE * len(name)
        left = point.x + 12 + width > WIDTH - 8
        x = max(4.0, point.x - 12 - width) if left else point.x + 12
        y = _free(point.y - 8, x, x + width, taken)
        taken.append((y, x, x + width))
        if abs(y - (point.y - 8)) > 2 * _LINE:
            edge = x + width if left else x
            yield f'<line class="leader" x1="{point.x:.1f}" y1="{point.y:.1f}" x2="{edge:.1f}" y2="{y - 4:.1f}"/>'
        anchor = f'x="{x + width:.1f}" text-anchor="end"' if left else f'x="{x:.1f}"'
        yield f'<text class="label" {anchor} y="{y:.1f}">{_text(name)}</text>'


def _free(wanted: float, start: float, end: float, taken: Sequence[tuple[float, float, float]]) -> float:
    """The height nearest to `wanted` at which a label from `start` to `end` covers no other."""
    steps = sorted(range(-40, 41), key=lambda step: (abs(step), step < 0))
    for step in steps:
        y = wanted + step * _LINE
        inside = TOP - 20 < y < BOTTOM - 2
        if inside and all(abs(y - other) >= _LINE or end < left or start > right for other, left, right in taken):
            return y
    return wanted


def _legend() -> Iterator[str]:
    x = WIDTH - 480
    for kind, words in _LEGEND:
        yield f'<circle class="{kind}" cx="{x}" cy="46" r="5"/>'
        yield f'<text class="small" x="{x + 10}" y="50">{words}</text>'
        x += 30 + int(_WIDE * len(words))
    yield f'<path class="pareto" d="M{x} 46 h20"/><text class="small" x="{x + 26}" y="50">Pareto</text>'


def _footer(choice: Choice, shown: Sequence[Row]) -> Iterator[str]:
    yield f'<text x="16" y="{HEIGHT - 38}">{_text(clipped(enough_words(choice), 140))}</text>'
    names = ", ".join(row.pin for row in choice.rows if row not in shown)
    if names:
        yield f'<text class="small" x="16" y="{HEIGHT - 16}">not measured: {_text(clipped(names, 120))}</text>'


def _text(text: str) -> str:
    return html(text)


def _log(value: float) -> float:
    return math.log10(value)


def _plain(value: float) -> str:
    """`0.00005`, never `5e-05`."""
    return f"{value:.12f}".rstrip("0").rstrip(".")


def _round_ticks(low: float, high: float) -> list[float]:
    rough = (high - low) / 5
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * unit for factor in (1, 2, 5, 10) if factor * unit >= rough)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 12) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 3) if math.log10(high / low) < 4 else (1,)
    values = [round(factor * 10.0**power, 12) for power in powers for factor in factors]
    return [value for value in values if low <= value <= high]
