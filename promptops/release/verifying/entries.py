"""Manifest entries against closures and evidence: does what is served stand on what let it in?"""

from __future__ import annotations

from collections.abc import Mapping

from promptops.core.digest import short_digest, version_digest
from promptops.core.licence import broken_cases, same_comparison, side_of, standing_regress
from promptops.formats import CanaryEvidence, Closure, Entry, Environment, Evidence, Manifest, RunEvidence, Served
from promptops.project.evidence import evidence_digest, evidence_path
from promptops.project.manifest import manifest_path
from promptops.project.released import released_path
from promptops.release.verifying.findings import Collector

HOW_TO_SERVE = (
    "manifest entries are written by `promptops promote`, `adopt` and `rollback`: restore the file, and use one"
)


def check_entries(
    found: Collector,
    manifest: Manifest,
    closures: Mapping[str, Closure | None],
    evidence: Mapping[str, Evidence | None],
) -> None:
    """Check every entry of the collector's prompt, in every environment."""
    for name, environment in sorted(manifest.environments.items()):
        entry = environment.prompts.get(found.prompt)
        if entry is None:
            continue
        where = f"environments.{name}.prompts.{found.prompt}"
        _check_served(found, where, entry, closures)
        for number, earlier in enumerate(entry.previous):
            _check_served(found, f"{where}.previous[{number}]", earlier, closures)
        _check_how(found, where, entry)
        if entry.how == "promoted":
            _check_evidence(found, where, entry, environment, evidence.get(entry.version))


def _check_served(found: Collector, where: str, served: Served, closures: Mapping[str, Closure | None]) -> None:
    """The closure is there, and is what the manifest says."""
    path = manifest_path(found.project)
    released = found.project.relative(released_path(found.project, found.prompt, served.version))
    if served.version not in closures:
        hint = f"restore it: git checkout <the commit before> -- {released}"
        found.problem(released, f"is gone, and {where} serves or served {served.version}", hint)
        return
    closure = closures[served.version]
    if closure is None:  # malformed or edited: told where it was read
        return
    if (actual := version_digest(closure)) != served.digest:
        message = f"{where}: says digest {short_digest(served.digest)}, and {released} has {short_digest(actual)}"
        found.problem(path, message, HOW_TO_SERVE)
    if closure.model != served.pin:
        found.problem(path, f"{where}: says pin {served.pin}, and {released} names {closure.model}", HOW_TO_SERVE)


def _check_how(found: Collector, where: str, entry: Entry) -> None:
    """Each way of getting served leaves its own marks."""
    path = manifest_path(found.project)
    if entry.how == "promoted" and entry.evidence is None:
        found.problem(path, f"{where}: was promoted, and names no evidence", HOW_TO_SERVE)
    if entry.how != "promoted" and entry.evidence is not None:
        found.problem(path, f"{where}: names evidence, and was not promoted ({entry.how})", HOW_TO_SERVE)
    if entry.how == "override":
        if not entry.reason.strip():
            found.problem(path, f"{where}: was let in without evidence, and gives no reason", HOW_TO_SERVE)
        found.notice(
            path, f"{where}: {entry.version} was let in without evidence: {entry.reason.strip() or 'no reason'}"
        )
    if entry.how == "adopted" and entry.previous:
        found.problem(path, f"{where}: was adopted, and replaced {entry.previous[0].version}", HOW_TO_SERVE)
    if entry.how == "rolled-back" and side_of(entry) not in [side_of(item) for item in entry.previous]:
        message = f"{where}: was rolled back to {entry.version}, which was not served before"
        found.problem(path, message, HOW_TO_SERVE)


def _check_evidence(
    found: Collector, where: str, entry: Entry, environment: Environment, evidence: Evidence | None
) -> None:
    if entry.evidence is None or evidence is None:  # told already
        return
    path = evidence_path(found.project, found.prompt, entry.version)
    records: list[RunEvidence | CanaryEvidence] = [*evidence.runs, *evidence.canaries]
    record = next((item for item in records if evidence_digest(item) == entry.evidence), None)
    if record is None:
        what = "holds no record with" if path.exists() else "is gone, and with it the record of"
        hint = f"restore {found.project.relative(path)} as it was when {entry.version} was promoted"
        hint += found.last_change(manifest_path(found.project))
        found.problem(path, f"{what} digest {short_digest(entry.evidence)}, which {where} stands on", hint)
        return
    _check_record(found, where, entry, environment, record, evidence)


def _check_record(
    found: Collector,
    where: str,
    entry: Entry,
    environment: Environment,
    record: RunEvidence | CanaryEvidence,
    evidence: Evidence,
) -> None:
    path = manifest_path(found.project)
    again = f"ask again: promptops canary {found.prompt}@{entry.version}"
    if record.candidate != side_of(entry):
        found.problem(path, f"{where}: its evidence is of another version, digest or pin", HOW_TO_SERVE)
    if isinstance(record, CanaryEvidence):
        _check_baseline(found, where, entry, record, again)
        if record.verdict not in ("pass", "inconclusive"):
            found.problem(path, f"{where}: its evidence says {record.verdict}", f"promptops rollback {found.prompt}")
        elif regress := _overruled(entry, record, evidence):
            message = f"{where}: let in by a canary that said {record.verdict}, although attempt {regress} said regress"
            found.problem(path, message, f"promptops rollback {found.prompt}, or {again}")
        elif record.verdict == "inconclusive" and environment.require == "shown-not-worse":
            found.notice(path, f"{where}: let in by an inconclusive canary; require is shown-not-worse now", again)
    elif entry.previous and environment.require != "run":
        found.notice(path, f"{where}: let in by a run alone; require is {environment.require} now", again)
    known = evidence.accepted.cases if evidence.accepted else {}
    broken = broken_cases(record, {case for case, item in known.items() if item.outcome == "fail"})
    if missing := sorted(set(broken) - set(entry.acknowledged)):
        found.problem(path, f"{where}: broken and not acknowledged: {', '.join(missing)}", HOW_TO_SERVE)
    if isinstance(record, CanaryEvidence) and (extra := sorted(set(entry.acknowledged) - set(broken))):
        found.problem(path, f"{where}: acknowledged, and not broken in its evidence: {', '.join(extra)}", HOW_TO_SERVE)


def _overruled(entry: Entry, record: CanaryEvidence, evidence: Evidence) -> int:
    """The attempt whose REGRESS stood when `entry` was promoted by `record`; 0 where there was none.

    Counted are the canaries of the same comparison up to `record`, and later ones that were finished by then.
    """
    place = evidence.canaries.index(record)
    known = [
        item
        for number, item in enumerate(evidence.canaries)
        if same_comparison(item, record) and (number <= place or item.finished_at <= entry.at)
    ]
    regress = standing_regress(known)
    return regress.attempt if regress else 0


def _check_baseline(found: Collector, where: str, entry: Entry, record: CanaryEvidence, again: str) -> None:
    path = manifest_path(found.project)
    if not entry.previous:
        found.problem(
            path, f"{where}: its canary was against {record.baseline.version}, and nothing was served before", again
        )
    elif side_of(entry.previous[0]) != record.baseline:
        before, baseline = entry.previous[0], record.baseline
        message = (
            f"{where}: the baseline was replaced since the canary, which was against {baseline.version} "
            f"({short_digest(baseline.digest)}); {entry.version} replaced {before.version} "
            f"({short_digest(before.digest)})"
        )
        found.problem(path, message, again)
