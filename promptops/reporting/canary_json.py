"""A canary as plain data."""

from __future__ import annotations

from typing import Any

from msgspec import to_builtins

from promptops.reporting.canary_metrics import metric_json
from promptops.runner.anchor import Anchored
from promptops.runner.canary_result import CanaryResult
from promptops.runner.targets import Target


def canary_json(result: CanaryResult, attempt: int, at: str, written: str) -> dict[str, Any]:
    """Everything a canary found, as plain data."""
    comparison, decision, planned = result.comparison, result.decision(attempt), result.planned

    def side(target: Target) -> dict[str, Any]:
        return {"prompt": target.prompt, **target.side.model_dump(mode="json")}

    return {
        **result.evidence(attempt, at).model_dump(mode="json"),
        "candidate": side(comparison.candidate),
        "baseline": side(comparison.baseline),
        "reason": decision.reason,
        "metric_findings": metric_json(decision.metrics),
        "warn_only": comparison.candidate.spec.canary.warn_only,
        "p_not_worse": decision.p_not_worse,
        "looks": to_builtins(decision.looks) if decision.looks else None,
        "baseline_rate": decision.baseline_rate,
        "candidate_rate": decision.candidate_rate,
        "measured": decision.measured,
        "broke": list(decision.broke),
        "fixed": list(decision.fixed),
        "missing": list(decision.missing),
        "beside_anchor": _anchor_json(result.anchored) if result.anchored else None,
        "must_pass_unmeasured": list(result.must_pass.unmeasured),
        "must_pass_samples": result.must_pass.samples,
        "same": decision.same,
        "improved": decision.improved,
        "detectable_drop": decision.detectable,
        "settle": decision.settle,
        "warnings": list(decision.warnings),
        "broken_beyond_chance": result.broken(),
        "samples": dict(zip(("done", "planned"), result.samples, strict=True)),
        "cost_ratio": result.cost_ratio,
        "latency_ratio": result.latency_ratio,
        "cost": result.cost,
        "planned_cost": {"worst_case": planned.worst_case, "expected": planned.expected} if planned else None,
        "partial": comparison.partial,
        "evidence": written or None,
        "flips": [
            {
                "case": flip.case,
                "kind": flip.kind,
                "baseline": flip.baseline.value,
                "candidate": flip.candidate.value,
                "differences": [
                    {"path": d.path, "kind": d.kind, "baseline": d.expected, "candidate": d.actual}
                    for d in flip.differences
                ],
            }
            for flip in result.flips(decision)
        ],
    }


def _anchor_json(anchored: Anchored) -> dict[str, Any]:
    decision = anchored.decision
    return {
        "version": anchored.target.version,
        "verdict": decision.verdict,
        "reason": decision.reason,
        "metric_findings": metric_json(decision.metrics),
        "anchor_rate": decision.baseline_rate,
        "candidate_rate": decision.candidate_rate,
        "difference": decision.difference,
        "interval": decision.interval,
        "measured": decision.measured,
        "broke": list(decision.broke),
        "fixed": list(decision.fixed),
        "missing": list(decision.missing),
    }
