"""What environments served: from the manifest, and further back from git where it is there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from promptops.errors import GitError, ProblemsError
from promptops.formats import Entry, Manifest, Served
from promptops.project.manifest import load_manifest, manifest_path, parse_manifest
from promptops.project.root import Project
from promptops.store.git import Commit, Repo


class Stay(Struct, frozen=True):
    """One version in one environment: `now` is what is served today. `commit` brought it in, where git knows."""

    environment: str
    state: Literal["now", "before"]
    served: Served
    commit: Commit | None = None


def history(project: Project, prompt: str, *, environment: str = "", limit: int = 50) -> tuple[list[Stay], str]:
    """What environments serve and served of `prompt`, newest first; and why git could not be asked, if so.

    `limit` bounds how many commits of the manifest are read.
    """
    manifest = load_manifest(project)
    stays = [stay for stay in _stays(manifest, prompt) if environment in ("", stay.environment)]
    try:
        commits = dict(_commits(project, prompt, limit))
    except GitError as error:
        return stays, str(error)
    return [Stay(s.environment, s.state, s.served, commits.get(_key(s.environment, s.served))) for s in stays], ""


def _stays(manifest: Manifest, prompt: str) -> Iterator[Stay]:
    for name, environment in sorted(manifest.environments.items()):
        entry = environment.prompts.get(prompt)
        if entry is not None:
            yield Stay(name, "now", entry)
            yield from (Stay(name, "before", earlier) for earlier in entry.previous)


def _commits(project: Project, prompt: str, limit: int) -> Iterator[tuple[tuple[str, str, str], Commit]]:
    """For each thing served, the oldest commit in which the manifest has it as what is served now."""
    repo, path = Repo.open(project.root), manifest_path(project)
    for commit in repo.commits_of([path], limit=limit):
        for name, entry in _entries(repo.show(commit.sha, path), prompt):
            yield _key(name, entry), commit


def _entries(text: bytes | None, prompt: str) -> Iterator[tuple[str, Entry]]:
    try:
        manifest = parse_manifest((text or b"").decode("utf-8", "replace"), path="manifest.yaml")
    except ProblemsError:
        return
    for name, environment in manifest.environments.items():
        if prompt in environment.prompts:
            yield name, environment.prompts[prompt]


def _key(environment: str, served: Served) -> tuple[str, str, str]:
    return environment, served.version, served.at
