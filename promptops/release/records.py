"""Adding what a run or canary proved to `evidence/vN.json`: appended under a lock, nothing is ever rewritten."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from promptops.formats import CanaryEvidence, Evidence, RunEvidence, Side
from promptops.project.evidence import evidence_path, load_evidence, render_evidence
from promptops.project.root import Project
from promptops.store.atomic import locked, write_text


def append_run(project: Project, prompt: str, record: RunEvidence, *, again: bool = False) -> Path:
    """Append a run to the evidence of its candidate; returns the file.

    `again`: the run was cut short before, maybe right after this; a record that stands there is not written twice.
    """
    path = evidence_path(project, prompt, record.candidate.version)
    with locked(path):
        evidence = load_evidence(project, prompt, record.candidate.version)
        if not again or record not in evidence.runs:
            write_text(path, render_evidence(evidence.model_copy(update={"runs": [*evidence.runs, record]})))
    return path


def append_canary(
    project: Project,
    prompt: str,
    candidate: Side,
    baseline: Side,
    measurement: str,
    build: Callable[[int], CanaryEvidence | None],
    *,
    again: bool = False,
    abandoned: int = 0,
) -> tuple[Path, CanaryEvidence | None]:
    """Append the canary that `build` makes for the attempt it is; returns the file and the record.

    The attempt is counted under the lock, so that two canaries at once are not both the first: what an attempt
    has to show depends on its number. `build` returns None for an attempt as which it has shown nothing yet: then
    nothing is written. `again` is what it is for `append_run`: the same canary is no further attempt. `abandoned` ones
    that nobody goes on with count before it.
    """
    path = evidence_path(project, prompt, candidate.version)
    with locked(path):
        evidence = load_evidence(project, prompt, candidate.version)
        if again and (same := next((c for c in evidence.canaries if _is(build(c.attempt), c)), None)) is not None:
            return path, same
        own = canaries_of(evidence, candidate, baseline, measurement)
        record = build(next_attempt(own, abandoned=abandoned))
        if record is None:
            return path, None
        record = record.model_copy(update={"abandoned": abandoned})
        write_text(path, render_evidence(evidence.model_copy(update={"canaries": [*evidence.canaries, record]})))
    return path, record


def _is(built: CanaryEvidence | None, record: CanaryEvidence) -> bool:
    """Whether a canary is the one on record, whatever was left before it."""
    return built is not None and built.model_copy(update={"abandoned": record.abandoned}) == record


def canaries_of(evidence: Evidence, candidate: Side, baseline: Side, measurement: str) -> list[CanaryEvidence]:
    """The canaries of one comparison, the oldest first; `measurement` is the measurement digest."""
    same = (candidate, baseline, measurement)
    return [c for c in evidence.canaries if (c.candidate, c.baseline, c.measurement.digest) == same]


def next_attempt(own: Sequence[CanaryEvidence], *, abandoned: int = 0) -> int:
    """Which attempt (from 1) comes after `own`, the canaries of a comparison, and `abandoned` ones in no evidence."""
    return 1 + abandoned + sum(1 + canary.abandoned for canary in own)
