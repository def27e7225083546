"""Accepted outcomes: what the plugin calls a known failure. Written into `evidence/vN.json`, reviewed like code."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from msgspec import Struct

from promptops.core.licence import candidate_outcomes
from promptops.errors import GitError, ProblemsError, PromotionRefused, UsageError, did_you_mean
from promptops.formats import Accepted, AcceptedCase, CanaryEvidence, Evidence, Measurement, RunEvidence
from promptops.models import CaseResult
from promptops.project.evidence import evidence_path, load_evidence, render_evidence
from promptops.project.root import Project
from promptops.project.stored import parse_json
from promptops.release.measured import Measured
from promptops.store.atomic import locked, write_text
from promptops.store.git import Repo
from promptops.store.recordings import load


class Acceptance(Struct, frozen=True):
    """What accepting changed: cases whose outcome is new (`added`) or another one (`changed`: before, after).

    `left_out` are cases that have no outcome to accept: an error is never known, what was not measured is unknown.
    `unchanged`: not even the measurement or a recording is another one.
    """

    accepted: Accepted
    added: Mapping[str, str]
    changed: Mapping[str, tuple[str, str]]
    left_out: Mapping[str, str]
    unchanged: bool = False

    @property
    def same(self) -> bool:
        return not self.added and not self.changed


def accept_outcomes(
    project: Project, measured: Measured, *, at: str, only: Collection[str] = (), write: bool = True
) -> Acceptance:
    """Accept the outcomes of `measured` (of the cases `only`, where given) and write them into the evidence file.

    Raises `UsageError` for a case that does not exist, for a version without a dataset, and where some cases are to be
    accepted while checks or contract changed since the others were.
    """
    path = evidence_path(project, measured.prompt, measured.version)
    with locked(path):
        evidence = load_evidence(project, measured.prompt, measured.version)
        acceptance = merge(evidence.accepted, measured, at=at, only=only)
        if write and not (acceptance.same and evidence.accepted == acceptance.accepted):
            write_text(path, render_evidence(evidence.model_copy(update={"accepted": acceptance.accepted})))
    return acceptance


def merge(before: Accepted | None, measured: Measured, *, at: str, only: Collection[str] = ()) -> Acceptance:
    """Accepted outcomes after accepting; those of other content, pin or removed cases are dropped."""
    measurement = _measurement(measured)
    kept = _kept(before, measured)
    results = {result.case: result for result in measured.results}
    _check_cases(only, measured, kept, before)
    chosen = [results[case] for case in (only or measured.cases) if case in results]
    found = {result.case: accepted_case(result, measured.cases[result.case]) for result in chosen}
    new = {case: entry for case, entry in found.items() if entry is not None}
    left_out = {result.case: result.outcome for result in chosen if found[result.case] is None}
    cases = dict(sorted((kept | new).items()))
    added = {case: entry.outcome for case, entry in new.items() if case not in kept}
    changed = {
        case: (kept[case].outcome, entry.outcome)
        for case, entry in new.items()
        if case in kept and kept[case].outcome != entry.outcome
    }
    unchanged = before is not None and before.cases == cases and before.measurement == measurement
    accepted = Accepted(
        pin=measured.side.pin,
        version=measured.side.digest,
        measurement=measurement,
        accepted_at=before.accepted_at if before is not None and unchanged else at,
        cases=cases,
    )
    return Acceptance(accepted, added, changed, left_out, unchanged)


def check_committable(project: Project, measured: Measured) -> None:
    """Raise `PromotionRefused` where a commit would sweep up edits of the evidence or recordings that no tool made.

    Records may have been appended since the last commit, and accepted outcomes may be what the recordings give.
    """
    path = evidence_path(project, measured.prompt, measured.version)
    now = load_evidence(project, measured.prompt, measured.version)
    committed = _committed(project, path)
    told = [
        f"{project.relative(path)}: {what} are not the committed ones, continued"
        for what, before, after in (("runs", committed.runs, now.runs), ("canaries", committed.canaries, now.canaries))
        if after[: len(before)] != before
    ]
    if foreign := _foreign(committed.accepted, now.accepted, measured):
        cases = ", ".join(foreign[:10]) + (f" and {len(foreign) - 10} more" if len(foreign) > 10 else "")
        told.append(f"{project.relative(path)}: accepted outcomes that the recordings do not give: {cases}")
    if measured.recordings and measured.recordings.exists():
        edited = load(measured.recordings, root=project.root).edited()
        told += [f"{problem.path}:{problem.line}: {problem.message}" for problem in edited]
    if told:
        raise PromotionRefused(
            "nothing was changed: there are edits that --commit would sweep up",
            told,
            command=f"restore these (git diff -- {project.relative(path)} shows them), then run this again",
        )


def _committed(project: Project, path: Path) -> Evidence:
    """The evidence as it was committed last; empty where it was not, or was malformed."""
    empty = Evidence.model_construct(accepted=None, runs=[], canaries=[])
    try:
        data = Repo.open(project.root).show("HEAD", path)
        return parse_json(Evidence, data.decode("utf-8", "replace"), path=project.relative(path)) if data else empty
    except (GitError, ProblemsError):
        return empty


def _foreign(committed: Accepted | None, now: Accepted | None, measured: Measured) -> list[str]:
    """Cases whose accepted outcome is neither the committed one nor what the recordings give."""
    given = {result.case: accepted_case(result, measured.cases[result.case]) for result in measured.results}
    before = committed.cases if committed else {}
    entries = now.cases.items() if now else ()
    return [case for case, entry in entries if entry not in (before.get(case), given.get(case))]


def accepted_case(result: CaseResult, digest: str) -> AcceptedCase | None:
    """One accepted outcome with the digests of its recordings; None for an error and for what was not measured."""
    if result.outcome not in ("pass", "fail"):
        return None
    samples = [judgement.sample.digest for judgement in result.judgements if judgement.sample.digest]
    return AcceptedCase(
        outcome="pass" if result.outcome == "pass" else "fail",
        passes=result.passes,
        of=result.of,
        case=digest,
        samples=samples,
    )


def with_licensed(acceptance: Accepted, record: RunEvidence | CanaryEvidence | None, measured: Measured) -> Accepted:
    """`acceptance`, completed by what the licensing record saw of cases that have no recording."""
    cases = dict(acceptance.cases)
    for case, outcome in candidate_outcomes(record).items():
        if case not in cases and case in measured.cases and outcome in ("pass", "fail"):
            passes = int(outcome == "pass")
            cases[case] = AcceptedCase.model_validate(
                {"outcome": outcome, "passes": passes, "of": 1, "case": measured.cases[case], "samples": []}
            )
    return acceptance.model_copy(update={"cases": dict(sorted(cases.items()))})


def _measurement(measured: Measured) -> Measurement:
    if measured.measurement is None:
        raise UsageError(f"{measured.prompt!r} has no dataset: there are no outcomes to accept")
    return measured.measurement


def _kept(before: Accepted | None, measured: Measured) -> dict[str, AcceptedCase]:
    """What was accepted of exactly this content and pin, of cases that still exist."""
    if before is None or (before.version, before.pin) != (measured.side.digest, measured.side.pin):
        return {}
    return {case: entry for case, entry in before.cases.items() if case in measured.cases}


def _check_cases(
    only: Collection[str], measured: Measured, kept: Mapping[str, AcceptedCase], before: Accepted | None
) -> None:
    for case in only:
        if case not in measured.cases:
            near = did_you_mean(case, measured.cases)
            raise UsageError(f"the dataset of {measured.prompt!r} has no case {case!r}{near}")
    if not only or not kept or before is None or measured.measurement is None:
        return
    if set(only) >= set(kept):
        return
    was, now = before.measurement, measured.measurement
    if (was.checks, was.contract) != (now.checks, now.contract):
        raise UsageError(
            f"checks or contract of {measured.prompt!r} changed since the other cases were accepted: "
            f"accept all of them, promptops accept {measured.prompt}@{measured.version}"
        )
