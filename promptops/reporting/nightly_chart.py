"""The detector's level night by night, as a chart of characters: one row a factor of ten, WATCH and CHANGED on top."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from promptops.core.nightly.watch import Watch, levels
from promptops.reporting.lines import Line, Style
from promptops.reporting.safe import one_line

COLUMNS = 100  # of a terminal whose width nobody knows
_MARGIN = 13  # columns before the first night, and one behind the last
_LEAST = 20  # nights that are shown however narrow it is
_MOST = 90
_MOST_LISTED = 5  # of the newest outages and notices
_EIGHTHS = " ▁▂▃▄▅▆▇█"
_LOWEST = -4  # a ten-thousandth of the threshold
_LABELS = {0: "CHANGED", -1: "WATCH"}
_MARKS = {"changed": "x", "unmeasurable": "?"}
_MEANS = {"x": "x CHANGED", "?": "? not measured"}


def chart(watch: Watch, *, columns: int = COLUMNS) -> list[Line]:
    """The last nights of an epoch, as many as `columns` hold: a column each, as high as the level.

    One row is a factor of ten; the top row begins where the detector says CHANGED. `x` below a night marks an alarm,
    `?` one that could not be measured.
    """
    every = levels(watch)
    nights = every[-max(_LEAST, min(_MOST, columns - _MARGIN)) :]
    if not nights:
        return [Line("  no night yet: it is being calibrated", "dim")]
    heights = [_height(share) for _, share, _ in nights]
    lines = [_row(tens, heights) for tens in range(0, _LOWEST - 1, -1)]
    marks = "".join(_MARKS.get(state, "·") for *_, state in nights)
    lines.append(Line(f"  {'':>8} └{marks}", "dim"))
    lines.append(Line(f"  {'':>8}  {_span(nights[0][0][:10], nights[-1][0][:10], len(nights))}", "dim"))
    legend = [means for mark, means in _MEANS.items() if mark in marks]
    if len(every) > len(nights):
        legend.append(f"the last {len(nights)} of {len(every)} nights")
    if legend:
        lines.append(Line(f"  {'':>8}  {'; '.join(legend)}", "dim"))
    return [*lines, *_listed(watch)]


def _span(first: str, last: str, nights: int) -> str:
    """Below the first and the last night their dates, side by side where there is no room between them."""
    if first == last:
        return first
    return f"{first}{last.rjust(nights - len(first))}" if nights > 2 * len(first) else f"{first} to {last}"


def _listed(watch: Watch) -> Iterator[Line]:
    """What the chart cannot show: the alarm, the newest outages, and what tier 0 noticed."""
    if watch.alarm is not None:
        yield Line(f"  CHANGED since {watch.alarm.at}: {one_line(watch.alarm.reason, 300)}", "bad")
    if watch.thinned is not None:
        yield Line(f"  since {watch.thinned.at} {hanging_words(watch)}", "warn")
    begun = watch.nights[0].at if watch.nights else ""
    missed = {one.at[:10]: one for one in watch.misses if one.at >= begun}
    if (more := len(missed) - _MOST_LISTED) > 0:
        yield Line(f"  not measured before these: {more} night{'s' * (more != 1)}", "warn")
    for one in list(missed.values())[-_MOST_LISTED:]:
        yield Line(f"  not measured {one.at}: {one_line(one.reason, 200)}", "warn")
    noticed = [(night.at, notice) for night in watch.nights for notice in night.notices]
    for at, notice in noticed[-_MOST_LISTED:]:
        yield Line(f"  NOTICE {at}: {one_line(notice, 200)}", "warn")


def hanging_words(watch: Watch) -> str:
    """That nights were found to hang together, or to follow the week, and what follows."""
    assert watch.thinned is not None
    every = watch.thinned.every
    if watch.thinned.weekly:
        return (
            f"nights follow the days of the week (correlation {watch.thinned.correlation:.2f}): no statement rests on "
            "them any more"
        )
    what = f"every {ordinal(every)} counts" if every else "no statement rests on them any more"
    return f"nights hang together (correlation with the next {watch.thinned.correlation:.2f}): {what}"


def ordinal(number: int) -> str:
    """`second`, `third`, `4th` …"""
    return {2: "second", 3: "third"}.get(number, f"{number}th")


def _height(share: float | None) -> float:
    """Tens above the bottom of the chart."""
    return 0.0 if not share else max(0.0, math.log10(share) - _LOWEST)


def _row(tens: int, heights: Sequence[float]) -> Line:
    """The row from 10^tens of the threshold up to ten times that."""
    floor = tens - _LOWEST
    cells = "".join(_EIGHTHS[max(0, min(8, math.ceil(8 * (height - floor))))] for height in heights)
    style: Style = "bad" if tens == 0 else "warn" if tens == -1 else "plain"
    return Line(f"  {_LABELS.get(tens, ''):>8} ┤{cells.rstrip()}", style if cells.strip() else "dim")
