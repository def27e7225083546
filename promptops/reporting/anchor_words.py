"""What a candidate is beside its anchor, in the words that the command, pytest and `--report` share."""

from __future__ import annotations

from promptops.core.canary import CanaryDecision
from promptops.formats import CanarySettings
from promptops.reporting.canary_metrics import metric_rows
from promptops.reporting.lines import Line
from promptops.runner.anchor import Anchored


def anchor_lines(anchored: Anchored, settings: CanarySettings) -> list[Line]:
    """`v1 as recorded: 93.3% → 85.0%, -8.3 points (-15.2 to -1.4)`, and below it what is shown by that."""
    decision, target = anchored.decision, anchored.target
    if not anchored.recorded:
        return [Line(f"{target.version} has no recording of these cases: promptops run {target.name} makes it", "warn")]
    if not decision.measured:
        return [Line(f"{target.version} as recorded: not one case could be measured on both sides", "warn")]
    figures = Line(f"{target.version} as recorded: {_figures(decision, settings)}")
    flips = f"{len(decision.broke)} broke, {len(decision.fixed)} fixed of {decision.measured}"
    if decision.verdict == "regress":
        return [figures, Line(f"WORSE beyond chance: {flips}", "bad")]
    if decision.verdict == "pass":
        return [figures, Line("shown to be not worse")]
    missing = f", {len(decision.missing)} not measured on both sides" if decision.missing else ""
    return [figures, Line(f"undecided: {flips}{missing}")]


def creep_warning(anchored: Anchored) -> str:
    """What to make of a candidate that is worse than its anchor; empty where it is not shown to be."""
    target = anchored.target
    if anchored.decision.verdict != "regress":
        return ""
    return (
        f"creep: worse than {target.version}, however little each version since was, unless the model is another than "
        f"when that was recorded: --against {target.version} asks both now"
    )


def _figures(decision: CanaryDecision, settings: CanarySettings) -> str:
    if decision.metrics:
        row = next(metric_rows(decision, settings))
        return f"{row[0]} {row[1]} → {row[2]}, {row[3]} ({row[4]})"
    assert decision.difference is not None
    assert decision.interval is not None
    low, high = decision.interval
    rates = f"{decision.baseline_rate or 0.0:.1%} → {decision.candidate_rate or 0.0:.1%}"
    return f"{rates}, {100 * decision.difference:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})"
