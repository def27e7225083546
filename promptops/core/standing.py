"""Where a case stands against what was accepted in git: this decides what is red."""

from __future__ import annotations

from typing import Literal, NamedTuple

from promptops.core.stats import fisher_exact
from promptops.formats import AcceptedCase
from promptops.models import CaseResult, Standing

ALPHA = 0.05  # chance that any of the varying cases is called broken although nothing changed


class Stood(NamedTuple):
    """A standing, and why in a few words (empty where the standing says it all)."""

    standing: Standing
    reason: str = ""


def stand(
    result: CaseResult,
    accepted: AcceptedCase | None,
    *,
    same_measurement: bool,
    gate: Literal["baseline", "cases"] = "baseline",
    varying: int = 1,
) -> Stood:
    """Compare `result` with the accepted outcome of its case.

    `same_measurement`: the case and its rules are those that were accepted (`Baseline.of`); otherwise the accepted
    outcome does not count. `varying` is how many cases of the run vary (`varies`), at least 1: so many chances for a
    false alarm.
    """
    outcome = result.outcome
    if outcome == "error":
        return Stood("error")
    if outcome == "unmeasurable":
        return Stood("unmeasurable")
    baseline = accepted if same_measurement else None
    if outcome == "fail" and gate == "cases":
        return Stood("broke", "gate: cases")
    if baseline is None:
        return _without_baseline(outcome, changed=accepted is not None)
    if varies(result, baseline):
        return _varying(result, baseline, max(1, varying))
    if outcome == "pass":
        return Stood("fixed" if baseline.outcome == "fail" else "passed")
    return Stood("known") if baseline.outcome == "fail" else Stood("broke")


def varies(result: CaseResult, accepted: AcceptedCase | None) -> bool:
    """Whether samples of one case disagree among themselves, when it was accepted or now."""
    return 0 < result.passes < result.of or (accepted is not None and 0 < accepted.passes < accepted.of)


def _without_baseline(outcome: str, *, changed: bool) -> Stood:
    reason = "the case, its checks or the contract changed since it was accepted" if changed else ""
    if outcome == "pass":
        return Stood("passed", reason)
    return Stood("broke", reason or "no accepted outcome")


def _varying(result: CaseResult, accepted: AcceptedCase, varying: int) -> Stood:
    """One flip of a case that varies proves nothing: it gates only where it is worse beyond chance."""
    told = f"varies: {result.passes} of {result.of} samples passed, {accepted.passes} of {accepted.of} when accepted"
    p_value = fisher_exact(result.passes, result.of, accepted.passes, accepted.of)
    if p_value <= ALPHA / varying:
        return Stood("broke", f"{told}; worse beyond chance (p = {p_value:.2g})")
    return Stood("known" if result.outcome == "fail" else "passed", told)
