"""A comparison of models as plain data: everything that the table, the drawing and the verdict rest on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import to_builtins

from promptops.core.model_choice import Choice, Row
from promptops.core.statistics.betting import ANYTIME_SHARE
from promptops.reporting.compare import enough_words, why_unmeasured
from promptops.runner.compare import ComparisonResult


def compare_json(result: ComparisonResult) -> dict[str, Any]:
    """The document; the scores of the cases as an iterator, in the order in which they were asked."""
    comparison, choice = result.comparison, result.choice
    current, plan = comparison.current, choice.plan
    return {
        "format": 1,
        "verdict": choice.verdict,
        "prompt": current.prompt,
        "version": current.version,
        "digest": current.digest,
        "measurement": current.measurement.digest,
        "mode": comparison.session.mode,
        "current": str(current.pin),
        "enough": choice.enough,
        "reason": enough_words(choice),
        "pareto": [row.pin for row in choice.rows if row.pareto],
        "open": {model.pin: model.why for model in choice.open},
        "unmeasured": list(choice.unmeasured),
        "cases": {"planned": plan.cases, "asked": choice.asked, "in_dataset": current.total, "samples": plan.samples},
        "partial": current.partial,
        "seed": comparison.seed,
        "test": {
            "margin": plan.margin,
            "alpha": plan.alpha,
            "anytime_share": ANYTIME_SHARE,
            "at_full_n": "exact" if plan.plain else "bounded mean",
            "worse": "McNemar, exact" if plan.plain else "sign flips",
            "clusters": len(plan.clusters),
            "correction": "Holm",
            "models": sum(row.against is not None for row in choice.rows),
        },
        "spent": sum(row.model.figures.spent for row in choice.rows if row.model.figures),
        "recorded": result.written,
        "models": [_model(row) for row in choice.rows],
        "scores": _scores(result, choice),
    }


def _model(row: Row) -> dict[str, Any]:
    figures = row.model.figures
    why, hint = why_unmeasured(row)
    return {
        "pin": row.pin,
        "current": row.current,
        "quality": row.quality,
        "interval": row.interval,
        "interval_kind": "Wilson, 95 %, effective number of samples by case",
        "measured": row.measured,
        "cost_per_1000": row.cost,
        "validation_rate": figures.validation_rate if figures else None,
        "latency": {"p50": figures.p50, "p95": figures.p95, "source": figures.latency_source} if figures else None,
        "replies": {
            "answered": figures.answered,
            "live": figures.live,
            "recorded": figures.answered - figures.live,
            "check_errors": figures.errors,
            "cut": figures.cut,
            "input_tokens": figures.input_tokens,
            "output_tokens": figures.output_tokens,
        }
        if figures
        else None,
        "failures": dict(figures.failures) if figures else {},
        "problem": why or None,
        "hint": hint or None,
        "pareto": row.pareto,
        "against_current": to_builtins(row.against) if row.against else None,
    }


def _scores(result: ComparisonResult, choice: Choice) -> Iterator[dict[str, Any]]:
    comparison = result.comparison
    rows = [row for row in choice.rows if row.model.figures is not None]
    for place, number in enumerate(comparison.order[: choice.asked]):
        case = comparison.current.cases[number].id
        yield {"case": case, "scores": {row.pin: row.model.scores[place] for row in rows}}
