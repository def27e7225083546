"""`verify`: recomputes what manifest, closures, evidence and recordings claim. Offline, keyless, no Python is run."""

from __future__ import annotations

from collections.abc import Sequence

from promptops.core.select import number_of
from promptops.errors import ProblemsError, UsageError, did_you_mean
from promptops.formats import Closure, Evidence, Manifest
from promptops.project.evidence import evidence_path, load_evidence
from promptops.project.files import matching
from promptops.project.manifest import load_manifest, manifest_path
from promptops.project.prompts import Prompt, load_prompt
from promptops.project.released import load_closure, released_path, released_versions
from promptops.project.root import Project
from promptops.release.verifying.entries import check_entries
from promptops.release.verifying.evidence import check_evidence, check_settings
from promptops.release.verifying.findings import Collector, VerifyReport
from promptops.release.verifying.outcomes import check_accepted, check_recordings, notice_unaccepted
from promptops.release.verifying.working_tree import check_working_tree


def verify(project: Project, names: Sequence[str] = ()) -> VerifyReport:
    """Verify every prompt of `project`, or those in `names`; one prompt's failure hides no other's.

    Runs no Python of the repository and needs neither network nor key nor history; where there is git, findings say
    which commit touched the file. Raises `UsageError` for a name that is no prompt.
    """
    found = Collector(project)
    manifest = Manifest()
    with found.isolated(manifest_path(project)):
        manifest = load_manifest(project)
    known = _prompts(project, manifest)
    for name in names:
        if name not in known:
            raise UsageError(f"there is no prompt named {name!r}{did_you_mean(name, known)}")
    chosen = [name for name in known if not names or name in names]
    for name in chosen:
        found.prompt = name
        with found.isolated(project.prompts_dir / name):
            _verify_prompt(found, manifest)
    return VerifyReport(tuple(sorted(found.findings)), tuple(found.recomputed), tuple(found.skipped), tuple(chosen))


def _prompts(project: Project, manifest: Manifest) -> list[str]:
    """Every prompt that has files, a closure, evidence or an entry."""
    served = {name for environment in manifest.environments.values() for name in environment.prompts}
    folders = {
        path.parent.parent.name
        for kind in ("released", "evidence")
        for path in matching(project.prompts_dir, f"*/{kind}/v*.json")
    }
    return sorted({*project.prompt_names(), *folders, *served})


def _verify_prompt(found: Collector, manifest: Manifest) -> None:
    closures = _closures(found)
    evidence = _evidence(found, manifest)
    check_entries(found, manifest, closures, evidence)
    for version, item in evidence.items():
        if item is not None:
            check_evidence(found, version, item)
    prompt = _source(found)
    for version, item in evidence.items():
        if item is not None and prompt is not None:
            check_settings(found, version, item, prompt.spec.canary)
    check_working_tree(found, prompt, closures, _served(manifest, found.prompt))
    check_recordings(found)
    for version, closure in closures.items():
        item = evidence.get(version)
        if closure is not None and item is not None and item.accepted is not None:
            with found.isolated(evidence_path(found.project, found.prompt, version)):
                check_accepted(found, prompt, version, closure, item.accepted)
        elif closure is not None and prompt is not None:
            with found.isolated(evidence_path(found.project, found.prompt, version)):
                notice_unaccepted(found, prompt, version)


def _closures(found: Collector) -> dict[str, Closure | None]:
    """Each released version's closure; None where it is malformed or edited, which is told here."""
    closures: dict[str, Closure | None] = {}
    for version in released_versions(found.project, found.prompt):
        closures[version] = None
        with found.isolated(released_path(found.project, found.prompt, version)):
            closures[version] = load_closure(found.project, found.prompt, version)
    if closures:
        many = (
            "1 closure against its digest" if len(closures) == 1 else f"{len(closures)} closures against their digests"
        )
        found.recomputed.append(f"{found.prompt}: {many}")
    return closures


def _evidence(found: Collector, manifest: Manifest) -> dict[str, Evidence | None]:
    """The evidence of each version that has some or should have; None where it is malformed, which is told here."""
    folder = found.project.prompts_dir / found.prompt / "evidence"
    versions = {path.stem for path in matching(folder, "v*.json") if path.stem[1:].isdigit() and path.stem[1] != "0"}
    entries = [environment.prompts.get(found.prompt) for environment in manifest.environments.values()]
    versions |= {entry.version for entry in entries if entry is not None}
    evidence: dict[str, Evidence | None] = {}
    for version in sorted(versions, key=number_of):
        evidence[version] = None
        with found.isolated(folder / f"{version}.json"):
            evidence[version] = load_evidence(found.project, found.prompt, version)
    return evidence


def _source(found: Collector) -> Prompt | None:
    """The prompt as its files are; None where they cannot be read: that is lint's to say, and here a notice.

    The files of released versions are read by themselves then, and are problems if they are broken.
    """
    if found.prompt not in found.project.prompt_names():
        return None
    try:
        return load_prompt(found.project, found.prompt)
    except ProblemsError as error:
        for problem in error.problems:
            found.notice(problem.path, problem.message, f"promptops lint {found.prompt}")
        return None


def _served(manifest: Manifest, prompt: str) -> dict[str, str]:
    """Which environments serve each version of a prompt, in words."""
    served: dict[str, list[str]] = {}
    for name, environment in sorted(manifest.environments.items()):
        if prompt in environment.prompts:
            served.setdefault(environment.prompts[prompt].version, []).append(name)
    return {version: " and ".join(names) for version, names in served.items()}
