"""Promotion: an environment serves a version when its policy is satisfied by evidence for exactly these digests."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from msgspec import Struct

from promptops.config import environment_name
from promptops.core.digest import short_digest, version_digest
from promptops.core.licence import Claim, Licence, candidate_outcomes, licence
from promptops.core.manifest import check_environment, policy, serve, serving
from promptops.errors import GitError, PromotionRefused, UsageError
from promptops.formats import Accepted, CanaryEvidence, Evidence, Manifest, Served
from promptops.project.evidence import evidence_path, load_evidence, render_evidence
from promptops.project.manifest import load_manifest, manifest_path, render_manifest
from promptops.project.released import load_closure, released_path, render_closure
from promptops.project.root import Project
from promptops.release.accept import merge, with_licensed
from promptops.release.measured import Measured
from promptops.release.publishing import CommitWords, Publication, manifest_bytes, publish
from promptops.store.git import Repo


class Terms(Struct, frozen=True):
    """How to promote: `acknowledged` names broken cases, `override` is the reason to go without evidence.

    `at` is the time written (ISO 8601, UTC), `subject` the commit's first line where it is not ours.
    """

    at: str
    acknowledged: Collection[str] = ()
    override: str = ""
    subject: str = ""
    commit: bool = True
    dry_run: bool = False


class Promotion(Struct, frozen=True):
    """What was (or with a dry run: would be) done. `already`: the environment serves exactly this, nothing to do."""

    prompt: str
    environment: str
    served: Served
    replaced: Served | None
    licence: Licence
    files: tuple[str, ...] = ()
    commit: str | None = None
    already: bool = False
    notices: tuple[str, ...] = ()


def promote(project: Project, measured: Measured, environment: str, terms: Terms) -> Promotion:
    """Let `environment` serve the version of `measured`, write and commit what belongs to it.

    Raises `PromotionRefused` where the policy is not satisfied (everything missing at once, and the next command),
    where the released closure differs (released versions are frozen), or where files stand in the way.
    """
    before = manifest_bytes(project)
    manifest = load_manifest(project)
    check_environment(manifest, environment, project.config.environment)
    current = serving(manifest, environment, measured.prompt)
    evidence = load_evidence(project, measured.prompt, measured.version)
    claim = _claim(project, manifest, measured, environment, evidence)
    found = licence(claim, evidence, terms.acknowledged)
    if current is not None and (current.version, current.digest, current.pin) == _key(measured):
        notices = _uncommitted(project, measured)
        return Promotion(measured.prompt, environment, current, None, found, already=True, notices=notices)
    _refuse(project, found, claim, terms)
    served = _served(measured, found, terms)
    accepted = _accepted(evidence, found, measured, terms)
    files = changed_files(project, measured, evidence, accepted, serve(manifest, environment, measured.prompt, served))
    names = tuple(project.relative(path) for path in files)
    notices = (*found.notices, *_notices(found, accepted, measured, terms))
    commit = None
    if not terms.dry_run:
        words = _words(measured, environment, served, current, found, terms) if terms.commit else None
        commit = publish(project, publication_of(project, measured, files, before, words))
    return Promotion(measured.prompt, environment, served, current, found, names, commit, notices=notices)


def changed_files(
    project: Project, measured: Measured, evidence: Evidence, accepted: Accepted | None, manifest: Manifest
) -> dict[Path, str]:
    """The files that letting a version in writes, the manifest last.

    Raises `PromotionRefused` where the version was released with another content.
    """
    released = released_path(project, measured.prompt, measured.version)
    files: dict[Path, str] = {}
    if not released.exists():
        files[released] = render_closure(measured.closure)
    elif version_digest(load_closure(project, measured.prompt, measured.version)) != measured.side.digest:
        raise PromotionRefused(
            f"{measured.prompt} {measured.version} was released with another content, and released versions are frozen",
            [f"{project.relative(released)} differs from what the files of {measured.version} yield now"],
            command=f"promptops bump {measured.prompt}",
        )
    if accepted is not None:
        changed = evidence.model_copy(update={"accepted": accepted})
        files[evidence_path(project, measured.prompt, measured.version)] = render_evidence(changed)
    files[manifest_path(project)] = render_manifest(manifest)
    return files


def publication_of(
    project: Project, measured: Measured, files: Mapping[Path, str], before: bytes | None, words: CommitWords | None
) -> Publication:
    """What is written, and what is committed along: closure, evidence and recordings of this version, if not yet."""
    own = [
        released_path(project, measured.prompt, measured.version),
        evidence_path(project, measured.prompt, measured.version),
        *([measured.recordings] if measured.recordings else []),
    ]
    along = [path for path in own if path.exists() and path not in files]
    return Publication(files=files, before=before, words=words, along=along, settled=measured.sources)


def _uncommitted(project: Project, measured: Measured) -> tuple[str, ...]:
    """What a promotion that was killed while git committed, or `--no-commit`, left to be committed."""
    paths = [
        manifest_path(project),
        released_path(project, measured.prompt, measured.version),
        evidence_path(project, measured.prompt, measured.version),
    ]
    try:
        dirty = Repo.open(project.root).dirty([path for path in paths if path.exists()])
    except GitError:
        return ()
    names = " ".join(project.relative(path) for path in dirty)
    return (f"not committed yet: git add {names} && git commit",) if dirty else ()


def _key(measured: Measured) -> tuple[str, str, str]:
    return (measured.version, measured.side.digest, measured.side.pin)


def _claim(project: Project, manifest: Manifest, measured: Measured, environment: str, evidence: Evidence) -> Claim:
    rules = policy(manifest, environment)
    current = serving(manifest, environment, measured.prompt)
    known = _known_failures(evidence.accepted, measured)
    if current is not None:
        baseline = load_evidence(project, measured.prompt, current.version).accepted
        known |= {case for case, entry in baseline.cases.items() if entry.outcome == "fail"} if baseline else set()
    return Claim(
        prompt=measured.prompt,
        candidate=measured.side,
        measurement=measured.measurement.digest if measured.measurement else "",
        environment=environment,
        policy=rules,
        serving=current,
        ahead=serving(manifest, rules.after, measured.prompt) if rules.after else None,
        known_failures=known,
        cases=measured.cases,
        settings=measured.canary,
        recorded={result.case: result.outcome for result in measured.results},
    )


def _known_failures(accepted: Accepted | None, measured: Measured) -> set[str]:
    """Failures of exactly this content that a reviewed diff accepted."""
    if accepted is None or (accepted.version, accepted.pin) != (measured.side.digest, measured.side.pin):
        return set()
    return {case for case, entry in accepted.cases.items() if entry.outcome == "fail"}


def _refuse(project: Project, found: Licence, claim: Claim, terms: Terms) -> None:
    if terms.override.strip() or found.granted:
        return
    name = f"{claim.prompt}@{claim.candidate.version}"
    what = f"{claim.environment} does not take {name} (require: {claim.policy.require}); it needs"
    missing = list(found.missing)
    if not claim.measurement:
        missing = [f"a dataset: {project.config.fixtures}/{claim.prompt}/cases.jsonl has none to measure with"]
    raise PromotionRefused(what, missing, command=_next_command(project, found, claim))


def _next_command(project: Project, found: Licence, claim: Claim) -> str:
    name = f"{claim.prompt}@{claim.candidate.version}"
    if not claim.measurement:
        return f"promptops adopt {name} --env {claim.environment}"
    if found.needs == "run":
        return f"promptops run {name}"
    if found.needs == "canary":
        return _canary_command(project, claim)
    if found.needs == "mend":
        return f"mend {claim.candidate.version}, then {_canary_command(project, claim)}"
    if found.needs == "ack":
        cases = " ".join(f"--ack {case}" for case in found.broken)
        return f"promptops promote {name} --to {claim.environment} {cases}"
    return f"promptops promote {name} --to {claim.policy.after}"


def _canary_command(project: Project, claim: Claim) -> str:
    against = "" if claim.environment == environment_name(project.config) else f" --against {claim.environment}"
    return f"promptops canary {claim.prompt}@{claim.candidate.version}{against}"


def _served(measured: Measured, found: Licence, terms: Terms) -> Served:
    licensed = found.granted
    return Served(
        version=measured.version,
        digest=measured.side.digest,
        pin=measured.side.pin,
        evidence=found.evidence if licensed else None,
        acknowledged=list(found.acknowledged) if licensed else [],
        how="promoted" if licensed else "override",
        reason="" if licensed else terms.override.strip(),
        at=terms.at,
    )


def _accepted(evidence: Evidence, found: Licence, measured: Measured, terms: Terms) -> Accepted | None:
    """Today's outcomes as the accepted baseline: from the recordings, and where there is none from the evidence."""
    if measured.measurement is None:
        return evidence.accepted
    try:
        accepted = merge(evidence.accepted, measured, at=terms.at).accepted
    except UsageError:
        return evidence.accepted
    return with_licensed(accepted, found.record, measured)


def _notices(found: Licence, accepted: Accepted | None, measured: Measured, terms: Terms) -> list[str]:
    told = [f"{case} was acknowledged, and is not broken" for case in found.unused]
    if found.granted and terms.override:
        told.append("the evidence is there: --override was not needed, and is not recorded")
    seen = candidate_outcomes(found.record)
    surprising = [
        c for c, e in (accepted.cases if accepted else {}).items() if e.outcome == "fail" and seen.get(c) == "pass"
    ]
    if surprising:
        told.append(f"recorded as failing although the evidence saw them pass: {', '.join(surprising)}")
    unrecorded = [case for case in measured.cases if accepted is None or not _recorded(accepted, case)]
    if unrecorded:
        name = f"{measured.prompt}@{measured.version}"
        told.append(
            f"{len(unrecorded)} of {len(measured.cases)} cases have no recording, so replay cannot measure them: "
            f"pytest --promptops --promptops-mode new --promptops-select {name}"
        )
    return told


def _recorded(accepted: Accepted, case: str) -> bool:
    return case in accepted.cases and bool(accepted.cases[case].samples)


def _words(
    measured: Measured, environment: str, served: Served, current: Served | None, found: Licence, terms: Terms
) -> CommitWords:
    replaced = "It is the first version there."
    if current:
        replaced = f"It replaces {current.version} ({short_digest(current.digest)})."
    trailers = {"Promptops-Digest": served.digest}
    if served.evidence:
        trailers["Promptops-Evidence"] = served.evidence
    if isinstance(found.record, CanaryEvidence) and served.evidence:
        trailers["Promptops-Verdict"] = f"{found.record.verdict} (attempt {found.record.attempt})"
    if served.acknowledged:
        trailers["Promptops-Acknowledged"] = ", ".join(served.acknowledged)
    if served.how == "override":
        trailers["Promptops-Override"] = " ".join(served.reason.split())
    subject = terms.subject or f"Promote {measured.prompt} {measured.version} to {environment}"
    return CommitWords(subject, replaced, trailers)
