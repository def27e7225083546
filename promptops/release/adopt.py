"""Adoption: an existing prompt is taken in as it is, without a comparison."""

from __future__ import annotations

from collections.abc import Mapping

from promptops.core.licence import Licence
from promptops.core.manifest import check_environment, serve, serving
from promptops.errors import PromotionRefused
from promptops.formats import Served
from promptops.project.evidence import load_evidence
from promptops.project.manifest import load_manifest
from promptops.project.root import Project
from promptops.release.accept import merge
from promptops.release.measured import Measured
from promptops.release.promote import Promotion, Terms, changed_files, publication_of
from promptops.release.publishing import CommitWords, manifest_bytes, publish


def adopt(project: Project, measured: Measured, environment: str, terms: Terms) -> Promotion:
    """Let `environment` serve the version of `measured`, with its outcomes of today as the accepted baseline.

    Only for a prompt of which the environment serves nothing yet: later versions are promoted. A prompt without a
    dataset is taken in without outcomes. Raises `PromotionRefused` otherwise, and as `promote` does.
    """
    before = manifest_bytes(project)
    manifest = load_manifest(project)
    check_environment(manifest, environment, project.config.environment)
    current = serving(manifest, environment, measured.prompt)
    name = f"{measured.prompt}@{measured.version}"
    if current is not None and (current.digest, current.pin) == (measured.side.digest, measured.side.pin):
        return Promotion(measured.prompt, environment, current, None, Licence(), already=True)
    if current is not None:
        raise PromotionRefused(
            f"{environment} serves {measured.prompt} {current.version} already: adopting is for a first version",
            [f"a promotion, with evidence that {measured.version} is not worse"],
            command=f"promptops promote {name} --to {environment}",
        )
    evidence = load_evidence(project, measured.prompt, measured.version)
    acceptance = merge(evidence.accepted, measured, at=terms.at) if measured.measurement else None
    accepted = acceptance.accepted if acceptance else None
    served = Served(
        version=measured.version,
        digest=measured.side.digest,
        pin=measured.side.pin,
        how="adopted",
        reason=terms.override.strip(),
        at=terms.at,
    )
    files = changed_files(project, measured, evidence, accepted, serve(manifest, environment, measured.prompt, served))
    notices = _notices(measured, acceptance.left_out if acceptance else {})
    commit = None
    if not terms.dry_run:
        words = _words(measured, environment, served, terms) if terms.commit else None
        commit = publish(project, publication_of(project, measured, files, before, words))
    names = tuple(project.relative(path) for path in files)
    return Promotion(measured.prompt, environment, served, None, Licence(), names, commit, notices=notices)


def _notices(measured: Measured, left_out: Mapping[str, str]) -> tuple[str, ...]:
    if not measured.cases:
        return (f"{measured.prompt!r} has no dataset: nothing is known of how it behaves",)
    missing = len(left_out) + len(set(measured.cases) - {result.case for result in measured.results})
    if not missing:
        return ()
    name = f"{measured.prompt}@{measured.version}"
    told = f"{missing} of {len(measured.cases)} cases have no accepted outcome: ask for them with"
    return (f"{told} `promptops run {name}`, then `promptops accept {name}`",)


def _words(measured: Measured, environment: str, served: Served, terms: Terms) -> CommitWords:
    subject = terms.subject or f"Adopt {measured.prompt} {measured.version} in {environment}"
    return CommitWords(subject, terms.override.strip(), {"Promptops-Digest": served.digest})
