"""The detector's level night by night, as a chart of characters: one row a factor of ten, WATCH and CHANGED on top."""

from __future__ import annotations

import math
from collections.abc import Sequence

from promptops.core.nightly.watch import Watch, levels
from promptops.reporting.lines import Line, Style

WIDTH = 90  # nights
_EIGHTHS = " ▁▂▃▄▅▆▇█"
_LOWEST = -4  # a ten-thousandth of the threshold
_LABELS = {0: "CHANGED", -1: "WATCH"}


def chart(watch: Watch) -> list[Line]:
    """The last nights of an epoch: a column each, as high as the level; `x` below it marks an alarm.

    One row is a factor of ten; the top row begins where the detector says CHANGED.
    """
    nights = levels(watch)[-WIDTH:]
    if not nights:
        return [Line("  no night yet: it is being calibrated", "dim")]
    heights = [_height(share) for _, share, _ in nights]
    lines = [_row(tens, heights) for tens in range(0, _LOWEST - 1, -1)]
    marks = "".join("x" if state == "changed" else "?" if state == "unmeasurable" else "·" for *_, state in nights)
    lines.append(Line(f"  {'':>8} └{marks}", "dim"))
    first, last = nights[0][0][:10], nights[-1][0][:10]
    lines.append(Line(f"  {'':>8}  {first}{last.rjust(max(1, len(nights) - len(first)))}", "dim"))
    if watch.alarm is not None:
        lines.append(Line(f"  CHANGED since {watch.alarm.at}", "bad"))
    return lines


def _height(share: float | None) -> float:
    """Tens above the bottom of the chart."""
    return 0.0 if not share else max(0.0, math.log10(share) - _LOWEST)


def _row(tens: int, heights: Sequence[float]) -> Line:
    """The row from 10^tens of the threshold up to ten times that."""
    floor = tens - _LOWEST
    cells = "".join(_EIGHTHS[max(0, min(8, math.ceil(8 * (height - floor))))] for height in heights)
    style: Style = "bad" if tens == 0 else "warn" if tens == -1 else "plain"
    return Line(f"  {_LABELS.get(tens, ''):>8} ┤{cells.rstrip()}", style if cells.strip() else "dim")
