"""What a candidate is beside its anchor, in the words that the command, pytest and `--report` share."""

from __future__ import annotations

from promptops.core.canary import CanaryDecision
from promptops.formats import CanarySettings
from promptops.reporting.canary_metrics import metric_rows
from promptops.reporting.lines import Line
from promptops.runner.anchor import Anchored


def anchor_line(anchored: Anchored, settings: CanarySettings) -> Line:
    """`v1 as recorded: 93.3% → 85.0%, -8.3 points (-15.2 to -1.4); WORSE: 7 broke, 1 fixed`."""
    decision, target = anchored.decision, anchored.target
    if not anchored.recorded or not decision.measured:
        return Line(f"{target.version} has no recording of these cases: promptops run {target.name} makes it", "warn")
    said = f"{target.version} as recorded: {_figures(decision, settings)}"
    if decision.verdict == "regress":
        return Line(f"{said}; WORSE beyond chance: {_flips(decision)}", "bad")
    if decision.verdict == "pass":
        return Line(f"{said}; shown to be not worse")
    missing = f", {len(decision.missing)} cases not recorded" if decision.missing else ""
    return Line(f"{said}; undecided: {_flips(decision)}{missing}")


def creep_warning(anchored: Anchored) -> str:
    """What to make of a candidate that is worse than its anchor; empty where it is not shown to be."""
    target = anchored.target
    if anchored.decision.verdict != "regress":
        return ""
    return (
        f"creep: worse than {target.version}, however little each version since was; or the model is another than when "
        f"{target.version} was recorded: --against {target.version} asks both now"
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


def _flips(decision: CanaryDecision) -> str:
    return f"{len(decision.broke)} broke, {len(decision.fixed)} fixed of {decision.measured}"
