"""What a canary found in figures, in the words that the command and pytest share."""

from __future__ import annotations

from collections.abc import Iterator

from promptops.core.canary import CanaryDecision, Looks
from promptops.formats import CanarySettings


def finding_words(decision: CanaryDecision, settings: CanarySettings) -> Iterator[tuple[str, str]]:
    """Rates, cases, and what both tests say, of a canary that decides by outcomes alone; each with its title."""
    if decision.difference is None or decision.interval is None:
        return
    base, cand = decision.baseline_rate or 0.0, decision.candidate_rate or 0.0
    low, high = decision.interval
    level = 100 * (1 - settings.alpha)
    yield "pass rate", f"{base:.1%} → {cand:.1%}, {_points(decision.difference)} points"
    yield "", f"{level:g}% interval {_points(low)} to {_points(high)} points, valid at any time"
    if decision.verdict == "regress" and high >= 0:
        yield "", "(it assumes less than the test, and may touch 0 where that has decided)"
    yield "cases", cases_words(decision)
    if decision.looks is not None:
        yield "worse?", _worse(decision.looks, settings)
        yield "not worse?", _not_worse(decision.looks, decision, settings)


def cases_words(decision: CanaryDecision) -> str:
    """`62 of 120 compared: 13 broke, 4 fixed, 45 same`."""
    used = f" of {decision.looks.cases}" if decision.looks else ""
    flips = f"{len(decision.broke)} broke, {len(decision.fixed)} fixed, {decision.same} same"
    return f"{decision.measured}{used} compared: {flips}"


def _worse(looks: Looks, settings: CanarySettings) -> str:
    spent = f"error spent {looks.spent:.2g} of {settings.alpha:g}"
    return f"exact sequential sign test: {spent} in {looks.used} of {looks.cases} cases"


def _not_worse(looks: Looks, decision: CanaryDecision, settings: CanarySettings) -> str:
    margin = f"by {100 * settings.delta:g} points"
    if looks.shown is not None:
        return f"shown, not worse {margin} ({looks.shown})"
    if looks.used < looks.cases:
        return f"not shown {margin} so far: betting has won {looks.wealth:.2g} times its stake"
    return f"not shown {margin}: p = {decision.p_not_worse or 0.0:.3g} (exact, all cases)"


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"
