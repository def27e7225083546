"""Promotions against their evidence: is the record there, is it of this comparison, and does it let the version in?"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec import Struct

from promptops.core.digest import short_digest
from promptops.core.licence import broken_cases, candidate_outcomes, same_comparison, side_of, standing_regress
from promptops.formats import Accepted, CanaryEvidence, Environment, Evidence, RunEvidence, Served
from promptops.project.evidence import evidence_digest, evidence_path
from promptops.project.manifest import manifest_path
from promptops.release.verifying.findings import Collector
from promptops.release.verifying.times import is_before, time_of

RESTORE = "restore manifest and evidence as they were when it was promoted, or promote anew"


class Place(Struct, frozen=True):
    """One served version in the manifest: `where` in words, and what was served before it, newest first.

    `known`: `earlier` begins with what it replaced. `now`: it is still served.
    """

    where: str
    served: Served
    earlier: tuple[Served, ...]
    known: bool
    now: bool

    @property
    def before(self) -> Served | None:
        return self.earlier[0] if self.earlier else None


def check_licence(
    found: Collector, place: Place, environment: Environment, evidence: Mapping[str, Evidence | None]
) -> None:
    """Check one promoted entry against the record that it names."""
    own, path = evidence.get(place.served.version), evidence_path(found.project, found.prompt, place.served.version)
    if place.served.evidence is None or own is None:  # told already
        return
    records: list[RunEvidence | CanaryEvidence] = [*own.runs, *own.canaries]
    record = next((item for item in records if evidence_digest(item) == place.served.evidence), None)
    if record is None:
        what = "holds no record with" if path.exists() else "is gone, and with it the record of"
        hint = f"restore {found.project.relative(path)} as it was when {place.served.version} was promoted"
        hint += found.last_change(manifest_path(found.project))
        found.problem(path, f"{what} digest {short_digest(place.served.evidence)}, which {place.where} stands on", hint)
        return
    _check_record(found, place, record, own)
    if isinstance(record, CanaryEvidence):
        _check_canary(found, place, environment, record, evidence)
    elif place.now and place.before and environment.require != "run":
        again = f"ask again: promptops canary {found.prompt}@{place.served.version}"
        message = f"{place.where}: let in by a run alone; require is {environment.require} now"
        found.notice(manifest_path(found.project), message, again)


def _check_record(found: Collector, place: Place, record: RunEvidence | CanaryEvidence, evidence: Evidence) -> None:
    """It is of the version that is served, older than the promotion, and names what was acknowledged."""
    path, served = manifest_path(found.project), place.served
    if record.candidate != side_of(served):
        found.problem(path, f"{place.where}: its evidence is of another version, digest or pin", RESTORE)
    if time_of(record.finished_at) is None or is_before(served.at, record.finished_at):
        message = f"{place.where}: is served since {served.at}, before its evidence was finished ({record.finished_at})"
        found.problem(path, message, RESTORE)
    known = evidence.accepted.cases if evidence.accepted else {}
    broken = broken_cases(record, {case for case, item in known.items() if item.outcome == "fail"})
    if missing := sorted(set(broken) - set(served.acknowledged)):
        found.problem(path, f"{place.where}: broken and not acknowledged: {', '.join(missing)}", RESTORE)
    if isinstance(record, CanaryEvidence) and (extra := sorted(set(served.acknowledged) - set(broken))):
        message = f"{place.where}: acknowledged, and not broken in its evidence: {', '.join(extra)}"
        found.problem(path, message, RESTORE)
    _check_accepted(found, place, record, evidence.accepted)


def _check_accepted(
    found: Collector, place: Place, record: RunEvidence | CanaryEvidence, accepted: Accepted | None
) -> None:
    """Promoting accepted what the recordings gave that day: a replay saw the same, and no case more or less."""
    path = evidence_path(found.project, found.prompt, place.served.version)
    hint = f"restore {found.project.relative(path)}, or accept anew in a reviewed diff"
    if accepted is None:
        found.problem(path, f"has no accepted outcomes, and promoting {place.served.version} wrote them", hint)
        return
    if accepted.accepted_at > place.served.at:  # accepted anew since
        return
    if accepted.measurement != record.measurement:
        found.problem(path, "its accepted outcomes and the record behind the promotion were measured differently", hint)
        return
    seen = candidate_outcomes(record)
    settled = {case for case, outcome in seen.items() if outcome in ("pass", "fail")}
    if extra := set(accepted.cases) - set(seen):
        found.problem(path, f"the record behind the promotion left cases out: {_listed(extra)}", hint)
    if gone := settled - set(accepted.cases):
        found.problem(path, f"cases of the record behind the promotion were not accepted: {_listed(gone)}", hint)
    if record.mode == "replay":
        outcomes = {case: item.outcome for case, item in accepted.cases.items()}
        _check_same(found, place.served.version, seen, outcomes)


def _check_canary(
    found: Collector,
    place: Place,
    environment: Environment,
    record: CanaryEvidence,
    evidence: Mapping[str, Evidence | None],
) -> None:
    path, where, served = manifest_path(found.project), place.where, place.served
    again = f"ask again: promptops canary {found.prompt}@{served.version}"
    if place.known:
        _check_baseline(found, place, record, again)
    _check_baseline_outcomes(found, record, evidence.get(record.baseline.version), served.version)
    if record.verdict not in ("pass", "inconclusive"):
        found.problem(path, f"{where}: its evidence says {record.verdict}", f"promptops rollback {found.prompt}")
    elif regress := _overruled(served, record, evidence[served.version]):
        message = f"{where}: let in by a canary that said {record.verdict}, although attempt {regress} said regress"
        found.problem(path, message, f"promptops rollback {found.prompt}, or {again}")
    elif place.now and record.verdict == "inconclusive" and environment.require == "shown-not-worse":
        found.notice(path, f"{where}: let in by an inconclusive canary; require is shown-not-worse now", again)


def _overruled(served: Served, record: CanaryEvidence, evidence: Evidence | None) -> int:
    """The attempt whose REGRESS stood when `served` was promoted by `record`; 0 where there was none.

    Counted are the canaries of the same comparison up to `record`, and later ones that were finished by then.
    """
    assert evidence is not None
    place = evidence.canaries.index(record)
    known = [
        item
        for number, item in enumerate(evidence.canaries)
        if same_comparison(item, record) and (number <= place or item.finished_at <= served.at)
    ]
    regress = standing_regress(known)
    return regress.attempt if regress else 0


def _check_baseline(found: Collector, place: Place, record: CanaryEvidence, again: str) -> None:
    path, where, before, baseline = manifest_path(found.project), place.where, place.before, record.baseline
    if before is None:
        found.problem(path, f"{where}: its canary was against {baseline.version}, and nothing was served before", again)
    elif side_of(before) != baseline:
        message = (
            f"{where}: the baseline was replaced since the canary, which was against {baseline.version} "
            f"({short_digest(baseline.digest)}); {place.served.version} replaced {before.version} "
            f"({short_digest(before.digest)})"
        )
        found.problem(path, message, again)


def _check_baseline_outcomes(
    found: Collector, record: CanaryEvidence, baseline: Evidence | None, candidate: str
) -> None:
    """A replayed baseline came out as it was accepted, where nothing was accepted anew since."""
    accepted = baseline.accepted if baseline else None
    if accepted is None or record.baseline_source != "recorded" or accepted.measurement != record.measurement:
        return
    if accepted.version != record.baseline.digest or accepted.accepted_at > record.finished_at:
        return
    asked = record.order if record.asked is None else record.order[: record.asked]
    seen = {case: record.outcomes[case].baseline for case in asked if case in record.outcomes}
    outcomes = {case: item.outcome for case, item in accepted.cases.items()}
    _check_same(found, record.baseline.version, seen, outcomes, by=f"the canary of {candidate}")


def _check_same(
    found: Collector,
    version: str,
    seen: Mapping[str, str],
    accepted: Mapping[str, str],
    *,
    by: str = "the record behind the promotion",
) -> None:
    """Both come from the same recordings."""
    differ = [f"{c} ({told} accepted, {seen[c]} seen)" for c, told in accepted.items() if seen.get(c, told) != told]
    if differ:
        hint = "one of the two was edited: restore both evidence files, or accept anew in a reviewed diff"
        found.problem(
            evidence_path(found.project, found.prompt, version),
            f"accepted outcomes differ from what {by} replayed: {_listed(differ)}",
            hint,
        )


def _listed(items: Collection[str], limit: int = 10) -> str:
    named = sorted(items)
    return ", ".join(named[:limit]) + (f" and {len(named) - limit} more" if len(named) > limit else "")
