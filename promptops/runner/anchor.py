"""The anchor of a canary: replayed from its recordings, and judged by today's checks as both sides are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from promptops.core.anchor import Anchor, decide_against_anchor
from promptops.core.canary import CanaryDecision, Pairs
from promptops.core.metrics import Figures, figure_of
from promptops.errors import UsageError
from promptops.formats import AnchorEvidence
from promptops.models import CaseResult
from promptops.runner.looks import independent
from promptops.runner.targets import Target

if TYPE_CHECKING:
    from promptops.runner.canary import Comparison
    from promptops.runner.session import Session


class Anchored(Struct, frozen=True):
    """What a candidate is beside its anchor; `recorded` cases of those that were asked are known of the anchor."""

    target: Target
    decision: CanaryDecision
    anchor: Anchor

    @property
    def recorded(self) -> int:
        return len(self.anchor.outcomes)

    def evidence(self) -> AnchorEvidence:
        """The record of it in the canary's evidence."""
        return AnchorEvidence(
            side=self.target.side,
            outcomes=dict(sorted(self.anchor.outcomes.items())),
            figures=dict(sorted(self.anchor.figures.items())),
            verdict=self.decision.verdict,
        )


def anchor_of(session: Session, baseline: Target, candidate: Target) -> Target | None:
    """The version that `canary.anchor` names; None where there is none, or where it is one of both sides.

    Raises `UsageError` for a version that there is not, and the problem of one that was edited after its release.
    """
    name = candidate.spec.canary.anchor
    if name is None:
        return None
    try:
        session.select([f"{candidate.prompt}@{name}"])
    except UsageError as error:
        raise UsageError(f"canary.anchor: {error}") from None
    found = session.target(candidate.prompt, name)
    found.require_unedited()
    return None if found.side in (baseline.side, candidate.side) else found


def beside_anchor(comparison: Comparison, pairs: Pairs, asked: int, figures: Figures) -> Anchored | None:
    """Compare the candidate with the anchor over the first `asked` cases of the order; None without either."""
    target = comparison.anchor
    if target is None or not asked:
        return None
    recorded = comparison.session.recorded_case
    results = {case: independent(recorded(target, target.case(case))) for case in comparison.order[:asked]}
    evidence = comparison.measured(figures)
    found = Anchor(
        {case: outcome for case, result in results.items() if (outcome := result.outcome) in ("pass", "fail")},
        {} if evidence is None else _figures(comparison, results),
    )
    settings = comparison.candidate.spec.canary
    decision = decide_against_anchor(found, pairs, settings, comparison.order, asked=asked, evidence=evidence)
    return Anchored(target, decision, found)


def _figures(comparison: Comparison, results: Mapping[str, CaseResult]) -> dict[str, float]:
    name = comparison.metrics[0].name
    found = {
        case: figure_of(result, name, comparison.candidate.case(case), candidate=False)
        for case, result in results.items()
    }
    return {case: figure for case, figure in found.items() if figure is not None}
