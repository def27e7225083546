"""Where a case stands against what was accepted in git: this decides what is red."""

from __future__ import annotations

from typing import Literal, NamedTuple

from promptops.core.stats import fisher_exact
from promptops.formats import AcceptedCase
from promptops.models import CaseResult, Standing

ALPHA = 0.05  # chance that any of the varying cases is called broken although nothing changed


class Stood(NamedTuple):
    """A standing, and why in a few words (empty where the standing says it all).

    `p_value` is there where a case varies and it is not settled yet whether it is worse beyond chance.
    """

    standing: Standing
    reason: str = ""
    p_value: float | None = None


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
    return settled(compare(result, accepted, same_measurement=same_measurement, gate=gate), varying=varying)


def settled(stood: Stood, *, varying: int) -> Stood:
    """Decide whether a case that varies is worse beyond chance, now that it is known how many do."""
    if stood.p_value is None:
        return stood
    if stood.p_value <= ALPHA / max(1, varying):
        return Stood("broke", f"{stood.reason}; worse beyond chance (p = {stood.p_value:.2g})")
    return Stood(stood.standing, stood.reason)


def compare(
    result: CaseResult,
    accepted: AcceptedCase | None,
    *,
    same_measurement: bool,
    gate: Literal["baseline", "cases"] = "baseline",
) -> Stood:
    """What `stand` says before it is known how many cases of the run vary; `settled` says the rest."""
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
        return _varying(result, baseline)
    if outcome == "pass":
        return Stood("fixed" if baseline.outcome == "fail" else "passed")
    return Stood("known") if baseline.outcome == "fail" else Stood("broke")


def varies(result: CaseResult, accepted: AcceptedCase | None) -> bool:
    """Whether samples of one case disagree among themselves, when it was accepted or now."""
    return 0 < result.passes < result.of or (accepted is not None and 0 < accepted.passes < accepted.of)


def independent(result: CaseResult) -> tuple[int, int]:
    """How many samples passed, of how many, copies left out.

    A copy beside samples that were asked is no further repeat. Where every sample is a copy, they stand for those that
    they copy, as recordings do: each has an index of its own, so no two of them copy one and the same.
    """
    measured = [j for j in result.judgements if j.outcome in ("pass", "fail")]
    own = [j for j in measured if j.sample.source != "cached"] or measured
    return sum(j.outcome == "pass" for j in own), len(own)


def _without_baseline(outcome: str, *, changed: bool) -> Stood:
    reason = "the case, its checks or the contract changed since it was accepted" if changed else ""
    if outcome == "pass":
        return Stood("passed", reason)
    return Stood("broke", reason or "no accepted outcome")


def _varying(result: CaseResult, accepted: AcceptedCase) -> Stood:
    """One flip of a case that varies proves nothing: it gates only where it is worse beyond chance."""
    told = f"varies: {result.passes} of {result.of} samples passed, {accepted.passes} of {accepted.of} when accepted"
    p_value = fisher_exact(*independent(result), accepted.passes, accepted.of)
    return Stood("known" if result.outcome == "fail" else "passed", told, p_value)
