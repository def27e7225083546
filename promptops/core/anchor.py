"""Creep: each version a little worse than the one before, and none by its margin.

A canary compares with what is served, and allows a drop within the margin; ten such drops are none that any canary
sees. So the candidate is compared with a fixed version, the anchor, too, by what that answered when it was recorded.
It is a watch and no gate: the recording is of another day, and the model may have changed meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct, field

from promptops.core.canary import CanaryDecision, Pairs
from promptops.core.metrics import Figures, Measured, wrong_figures
from promptops.core.sequence import decide_in_order
from promptops.formats import CanarySettings


class Anchor(Struct, frozen=True):
    """What the anchor answered: the outcome of each case that is recorded, and its `figures` of the primary metric.

    `figures` are needed where more than the outcomes decides; a case without one was not measured.
    """

    outcomes: Mapping[str, Literal["pass", "fail"]]
    figures: Mapping[str, float] = field(default_factory=dict)


def decide_against_anchor(
    anchor: Anchor,
    pairs: Pairs,
    settings: CanarySettings,
    order: Sequence[str],
    *,
    asked: int,
    evidence: Measured | None = None,
) -> CanaryDecision:
    """Compare the candidate of a canary with its anchor, by the primary metric alone.

    `pairs`, `order`, `asked` and `evidence` are those of the canary itself (`core.sequence.decide_in_order`); in its
    order and with its tests, each with alpha of its own: they are valid at whatever case the canary ended.
    """
    return decide_in_order(_pairs(anchor, pairs), settings, order, asked=asked, evidence=_by_primary(anchor, evidence))


def wrong_beside_anchor(anchor: Anchor, pairs: Pairs, evidence: Measured | None) -> list[str]:
    """What does not hold together in what evidence says of the anchor."""
    if cases := sorted({*anchor.outcomes, *anchor.figures} - set(pairs)):
        return [f"has outcomes of its anchor in cases that it does not have: {', '.join(cases[:5])}"]
    if (found := _by_primary(anchor, evidence)) is None:
        return []
    return wrong_figures(found.metrics, found.figures, found.clusters, _pairs(anchor, pairs))


def _pairs(anchor: Anchor, pairs: Pairs) -> Pairs:
    return {case: (anchor.outcomes.get(case, "unmeasurable"), after) for case, (_, after) in pairs.items()}


def _by_primary(anchor: Anchor, evidence: Measured | None) -> Measured | None:
    if evidence is None:
        return None
    primary = evidence.metrics[0]
    own = evidence.figures.get(primary.name, {})
    figures: Figures = {primary.name: {case: (anchor.figures.get(case), after) for case, (_, after) in own.items()}}
    return Measured((primary,), figures, evidence.clusters, evidence.seed)
