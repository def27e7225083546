"""Evidence against itself: every verdict and figure is recomputed from the outcomes that it claims to come from."""

from __future__ import annotations

import math
from collections import Counter

from pydantic import ValidationError

from promptops.core.anchor import Anchor, decide_against_anchor, wrong_beside_anchor
from promptops.core.canary import CanaryDecision, Pairs, decide
from promptops.core.measurement import holds_together
from promptops.core.metrics import Measured, decided_by, is_plain, wrong_figures
from promptops.core.plan import clustered_order
from promptops.core.sequence import decide_in_order
from promptops.formats import CanaryEvidence, CanarySettings, Evidence, Measurement, RunEvidence
from promptops.project.evidence import evidence_path
from promptops.release.verifying.findings import Collector
from promptops.release.verifying.times import time_of

HINT = "evidence is appended by `promptops run` and `promptops canary`, never edited: restore the file"


def check_evidence(found: Collector, version: str, evidence: Evidence) -> None:
    """Check every record of one evidence file."""
    path = evidence_path(found.project, found.prompt, version)
    attempts: Counter[tuple[object, object, str]] = Counter()
    for number, canary in enumerate(evidence.canaries):
        where = f"canaries[{number}]"
        key = (canary.candidate.model_dump_json(), canary.baseline.model_dump_json(), canary.measurement.digest)
        attempts[key] += 1 + canary.abandoned
        for message in _wrong_in_canary(canary, version, attempts[key]):
            found.problem(path, f"{where}: {message}", HINT)
    for number, run in enumerate(evidence.runs):
        for message in _wrong_in_run(run, version):
            found.problem(path, f"runs[{number}]: {message}", HINT)
    records = len(evidence.canaries) + len(evidence.runs)
    if records:
        verdicts = "1 verdict from its outcomes" if records == 1 else f"{records} verdicts from their outcomes"
        found.recomputed.append(f"{found.prompt}@{version}: {verdicts}")


def _wrong_in_canary(canary: CanaryEvidence, version: str, attempt: int) -> list[str]:
    wrong = _wrong_in_any(canary.measurement, canary.finished_at)
    if canary.candidate.version != version:
        wrong.append(f"its candidate is {canary.candidate.version}, and the file is of {version}")
    if canary.order != clustered_order(canary.outcomes, canary.clusters, canary.seed):
        wrong.append(f"its order is not the one that seed {canary.seed} gives for these cases")
    if canary.attempt != attempt:
        wrong.append(f"says attempt {canary.attempt}, and is number {attempt} of this comparison")
    try:
        settings = CanarySettings(alpha=canary.alpha, delta=canary.delta)
    except ValidationError:
        return [*wrong, f"alpha {canary.alpha} and delta {canary.delta} are no settings of a canary"]
    pairs = {case: (pair.baseline, pair.candidate) for case, pair in canary.outcomes.items()}
    if odd := wrong_figures(canary.metrics, canary.figures, canary.clusters, pairs):
        return [*wrong, *odd]
    again = _decided_again(canary, pairs, settings, attempt)
    if canary.test == "sequential":
        wrong += _wrong_in_sequence(canary, again)
    if canary.verdict != again.verdict:
        wrong.append(f"says verdict {canary.verdict}, and its outcomes give {again.verdict}")
    if not _close(canary.p_value, again.p_value):
        wrong.append(f"says p = {canary.p_value}, and its outcomes give {again.p_value}")
    if not _close(canary.difference, again.difference):
        wrong.append(f"says a difference of {canary.difference}, and its outcomes give {again.difference}")
    said, given = canary.interval or (None, None), again.interval or (None, None)
    if not all(_close(one, other) for one, other in zip(said, given, strict=True)):
        wrong.append(f"says an interval of {canary.interval}, and its outcomes give {again.interval}")
    return [*wrong, *_wrong_beside_anchor(canary, pairs, settings)]


def _decided_again(canary: CanaryEvidence, pairs: Pairs, settings: CanarySettings, attempt: int) -> CanaryDecision:
    """By the test that the record says it was decided by."""
    if canary.test == "fixed" or set(canary.order) != set(pairs):
        return decide(pairs, settings, attempt=attempt, gates=canary.gates)
    return decide_in_order(
        pairs,
        settings,
        canary.order,
        asked=canary.asked or 0,
        attempt=attempt,
        gates=canary.gates,
        evidence=_measured(canary),
    )


def _wrong_beside_anchor(canary: CanaryEvidence, pairs: Pairs, settings: CanarySettings) -> list[str]:
    anchor = canary.anchor
    if anchor is None or canary.test == "fixed" or set(canary.order) != set(pairs):
        return []
    found, evidence = Anchor(anchor.outcomes, anchor.figures), _measured(canary)
    if wrong := wrong_beside_anchor(found, pairs, evidence):
        return wrong
    asked = canary.asked or 0
    again = decide_against_anchor(found, pairs, settings, canary.order, asked=asked, evidence=evidence)
    if anchor.verdict == again.verdict:
        return []
    return [f"says {anchor.verdict} beside its anchor {anchor.side.version}, and its outcomes give {again.verdict}"]


def _measured(canary: CanaryEvidence) -> Measured | None:
    metrics = tuple(canary.metrics)
    if not metrics or is_plain(metrics, canary.clusters):
        return None
    return Measured(metrics, canary.figures, canary.clusters, canary.seed)


def _wrong_in_sequence(canary: CanaryEvidence, again: CanaryDecision) -> list[str]:
    """A sequence says how far it went, and is evidence only if it went to a verdict or to the end."""
    if canary.asked is None or canary.asked > len(canary.order):
        return [f"says that {canary.asked} of {len(canary.order)} cases were asked"]
    if canary.asked < len(canary.order) and again.verdict not in ("pass", "regress"):
        return [f"ended after {canary.asked} of {len(canary.order)} cases without a verdict, and licenses nothing"]
    if canary.mode == "live" and again.looks is not None and canary.asked > again.looks.used:
        return [f"says that {canary.asked} cases were looked at, and its outcomes ended it after {again.looks.used}"]
    return []


def _wrong_in_any(measurement: Measurement, finished_at: str) -> list[str]:
    wrong = []
    if not holds_together(measurement):
        wrong.append("its measurement digest is not that of its dataset, checks and contract")
    if time_of(finished_at) is None:
        wrong.append(f"says that it was finished at {finished_at!r}, which is no time")
    return wrong


def _wrong_in_run(run: RunEvidence, version: str) -> list[str]:
    wrong = _wrong_in_any(run.measurement, run.finished_at)
    if run.candidate.version != version:
        wrong.append(f"its candidate is {run.candidate.version}, and the file is of {version}")
    outcomes = set(run.outcomes.values())
    if run.verdict == "pass" and not outcomes <= {"pass", "fail"}:
        wrong.append("says verdict pass, and some cases were not measured or raised")
    if run.verdict == "regress" and outcomes <= {"pass", "unmeasurable"}:
        wrong.append("says verdict regress, and no case failed")
    return wrong


def _close(one: float | None, other: float | None) -> bool:
    """Equal but for the last digits, which another processor may compute differently."""
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9)


def check_settings(found: Collector, version: str, evidence: Evidence, settings: CanarySettings) -> None:
    """The last canary of a version allowed itself the errors that prompt.yaml allows today."""
    if not evidence.canaries:
        return
    last = evidence.canaries[-1]
    if (last.alpha, last.delta) != (settings.alpha, settings.delta):
        found.notice(
            evidence_path(found.project, found.prompt, version),
            f"its last canary decided with alpha {last.alpha:g} and delta {last.delta:g}; prompt.yaml says "
            f"{settings.alpha:g} and {settings.delta:g} now",
            f"ask again: promptops canary {found.prompt}@{version}",
        )
    elif not decided_by(last, settings):
        found.notice(
            evidence_path(found.project, found.prompt, version),
            "its last canary decided by other metrics, margins or directions than prompt.yaml names now",
            f"ask again: promptops canary {found.prompt}@{version}",
        )
