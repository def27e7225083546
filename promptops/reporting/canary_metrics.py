"""The metrics of a canary as a table: the same rows in the terminal, in Markdown and in HTML."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from promptops.core.canary import CanaryDecision, MetricFinding
from promptops.core.sequence_metrics import margin_of
from promptops.formats import UNBOUNDED, CanarySettings
from promptops.reporting.lines import Line, Style

HEAD = ("metric", "baseline", "candidate", "change", "interval", "worse?", "not worse?")
_BLOCKS = ((0, 1, 2, 3, 4), (0, 5, 6))
"""The columns of the table in a terminal: the figures, and what was decided below them; side by side is too wide."""
_UNITS = {"cost": "$", "latency": " s", "tokens": "", "length": ""}


def metric_rows(decision: CanaryDecision, settings: CanarySettings) -> Iterator[tuple[str, ...]]:
    """One row for each metric, the primary one first, in the columns of `HEAD`."""
    for found in decision.metrics:
        yield (
            found.title if found.setting.critical else f"{found.title} (warns)",
            _figure(found, found.baseline),
            _figure(found, found.candidate),
            _change(found, found.change),
            _interval(found),
            _worse(found, settings),
            _shown(found),
        )


def metric_lines(decision: CanaryDecision, settings: CanarySettings, *, table: bool = True) -> Iterator[Line]:
    """The `table` in the columns of a terminal, in two blocks, and what stands in it in words."""
    rows = [HEAD, *metric_rows(decision, settings)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    styles: list[Style] = ["dim", *map(_style, decision.metrics)]
    for block in _BLOCKS if table else ():
        for row, style in zip(rows, styles, strict=True):
            cells = [row[column].ljust(widths[column]) for column in block]
            yield Line(f"  {'  '.join(cells)}".rstrip(), style)
    yield from (Line(f"  {text}", "dim") for text in _legend(decision, settings))


def _legend(decision: CanaryDecision, settings: CanarySettings) -> Iterator[str]:
    """What the columns are, once and below them."""
    yield (f"{100 * (1 - settings.alpha):g}% intervals, valid at any time; they assume less than the tests: wider")
    if any(found.setting.name in UNBOUNDED for found in decision.metrics):
        yield "figures without bounds are medians, compared case by case: the typical case decides"
    exact = {one.setting.name in UNBOUNDED or not (one.setting.graded or decision.units) for one in decision.metrics}
    tests = [name for kind, name in ((True, "exact sign test"), (False, "sign flips")) if kind in exact]
    yield f"worse? by sequential {' or '.join(tests)}, error spent of {settings.alpha:g}; won: by betting on not worse"
    if len(decision.metrics) > 1:
        yield f"all that decide are called worse with {settings.alpha:g} of error together (Holm)"
    if decision.units:
        yield f"{decision.units} clusters, each counts once"


def _style(found: MetricFinding) -> Style:
    if found.worse:
        return "bad" if found.setting.critical else "warn"
    return "plain"


def _figure(found: MetricFinding, value: float | None) -> str:
    if value is None:
        return "not measured"
    name = found.setting.name
    if name not in UNBOUNDED:
        return f"{value:.3f}" if name in ("distance", "score", "judge") else f"{value:.1%}"
    unit = _UNITS[name]
    return f"${value:.6f}" if unit == "$" else f"{value:.3g}{unit}" if unit else f"{value:,.0f}"


def _change(found: MetricFinding, value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "—"
    if found.setting.name in UNBOUNDED:
        return f"{value:.2f}x" if found.setting.relative else f"{value:+.3g}"
    return f"{100 * value:+.1f} points"


def _interval(found: MetricFinding) -> str:
    if found.interval is None:
        return "too few to say"
    low, high = found.interval
    if found.setting.name in UNBOUNDED:
        return f"{low:.2f}x to {high:.2f}x" if found.setting.relative else f"{low:+.3g} to {high:+.3g}"
    return f"{100 * low:+.1f} to {100 * high:+.1f}"


def _worse(found: MetricFinding, settings: CanarySettings) -> str:
    if found.setting.name in UNBOUNDED:
        said = f"{found.beyond} of {found.measured} beyond {margin_of(found.setting)}"
        return f"WORSE: {said}" if found.worse else f"no: {said}"
    return "WORSE" if found.worse else f"no: {found.spent:.2g} of {settings.alpha:g} spent"


def _shown(found: MetricFinding) -> str:
    margin = f"by {margin_of(found.setting)}"
    if found.shown is not None:
        return f"shown, {margin} ({found.shown})"
    if found.missing and not found.measured:
        return "not measured"
    if found.p_not_worse is not None:
        return f"not shown {margin}: p = {found.p_not_worse:.3g}"
    return f"not yet, {margin}: won {found.wealth:.2g}x"


def metric_json(found: Sequence[MetricFinding]) -> list[dict[str, object]]:
    """The findings as plain data; what is not finite is null."""
    return [
        {
            "name": one.setting.name,
            "title": one.title,
            "direction": one.setting.worse,
            "margin": one.setting.margin,
            "relative": one.setting.relative,
            "critical": one.setting.critical,
            "baseline": one.baseline,
            "candidate": one.candidate,
            "change": one.change if one.change is not None and math.isfinite(one.change) else None,
            "interval": one.interval,
            "measured": one.measured,
            "missing": one.missing,
            "beyond": one.beyond,
            "worse": one.worse,
            "shown": one.shown,
            "error_spent": one.spent,
            "wealth": one.wealth,
            "p_not_worse": one.p_not_worse,
        }
        for one in found
    ]
