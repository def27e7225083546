"""Rollback: an environment serves an earlier version again. Reads manifest and closure, and nothing else."""

from __future__ import annotations

from msgspec import Struct

from promptops.core.digest import short_digest, version_digest
from promptops.core.manifest import check_environment, serving
from promptops.core.manifest import rollback as back
from promptops.errors import GitError, ProblemsError, PromotionRefused
from promptops.formats import Served
from promptops.project.manifest import load_manifest, manifest_path, render_manifest
from promptops.project.released import load_closure, released_path
from promptops.project.root import Project
from promptops.release.publishing import CommitWords, Publication, manifest_bytes, publish
from promptops.store.git import Repo


class Rollback(Struct, frozen=True):
    """What an environment serves again, and what no longer (`replaced`); `why_no_commit` where there is no commit."""

    prompt: str
    environment: str
    served: Served
    replaced: Served
    commit: str | None = None
    why_no_commit: str = ""


def rollback(
    project: Project,
    prompt: str,
    environment: str,
    *,
    at: str,
    to: str | None = None,
    reason: str = "",
    subject: str = "",
    commit: bool = True,
    dry_run: bool = False,
) -> Rollback:
    """Let `environment` serve what it served before, or the version `to` that it served at some time.

    Needs no network, evidence, history or code of the repository. Outside a git repository the manifest is written
    without a commit. Raises `UsageError` where there is nothing to go back to, and `PromotionRefused` where the
    closure to serve is missing or edited.
    """
    before = manifest_bytes(project)
    manifest = load_manifest(project)
    check_environment(manifest, environment, project.config.environment)
    current = serving(manifest, environment, prompt)
    changed = back(manifest, environment, prompt, at=at, to=to, reason=reason)
    served = serving(changed, environment, prompt)
    assert served is not None
    assert current is not None
    _check_closure(project, prompt, served)
    sha, why = None, ""
    if not dry_run:
        why = "" if not commit else _no_git(project)
        words = _words(prompt, environment, served, current, subject) if commit and not why else None
        files = {manifest_path(project): render_manifest(changed)}
        sha = publish(project, Publication(files=files, before=before, words=words))
    return Rollback(prompt, environment, served, current, sha, why)


def _check_closure(project: Project, prompt: str, served: Served) -> None:
    shown = project.relative(released_path(project, prompt, served.version))
    what = f"{prompt} {served.version} cannot be served again: nothing was changed"
    command = f"git checkout -- {shown}, or name another version with --to"
    try:
        actual = version_digest(load_closure(project, prompt, served.version))
    except ProblemsError as error:
        raise PromotionRefused(what, [str(problem) for problem in error.problems], command=command) from error
    if actual != served.digest:
        text = f"{shown} has digest {short_digest(actual)}, and {short_digest(served.digest)} was served"
        raise PromotionRefused(what, [text], command=command)


def _no_git(project: Project) -> str:
    """Why nothing can be committed here; an empty string where it can."""
    try:
        Repo.open(project.root)
    except GitError as error:
        return str(error)
    return ""


def _words(prompt: str, environment: str, served: Served, current: Served, subject: str) -> CommitWords:
    text = subject or f"Roll {prompt} back to {served.version} in {environment}"
    return CommitWords(text, served.reason, {"Promptops-Digest": served.digest, "Promptops-Replaces": current.digest})
