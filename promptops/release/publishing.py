"""Writing several files and one commit together, or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct, field

from promptops.errors import GitError, PromotionRefused
from promptops.project.manifest import manifest_path
from promptops.project.root import Project
from promptops.project.stored import read_bytes
from promptops.store.atomic import locked, write_bytes
from promptops.store.git import Repo

WITHOUT_COMMIT = "--no-commit writes the files and leaves the commit to you"


class CommitWords(Struct, frozen=True):
    """What a commit says: its subject, a body, and trailers such as `Promptops-Digest`."""

    subject: str
    body: str = ""
    trailers: Mapping[str, str] = field(default_factory=dict)

    @property
    def message(self) -> str:
        return f"{self.subject}\n\n{self.body}" if self.body else self.subject


class Publication(Struct, frozen=True):
    """What is to be written (`files`, the manifest last), and committed with it (`along`, written already).

    `before` is the manifest as it was when the decision was taken: where it has changed since, nothing is written.
    `settled` are files that must be committed already, because what is written speaks of them.
    """

    files: Mapping[Path, str]
    before: bytes | None
    words: CommitWords | None
    along: Sequence[Path] = ()
    settled: Sequence[Path] = ()


def manifest_bytes(project: Project) -> bytes | None:
    """The manifest as it is now, for a later compare-and-swap; None where there is none. Raises `ProblemsError`."""
    path = manifest_path(project)
    return read_bytes(path, project.relative(path)) if path.exists() or path.is_symlink() else None


def publish(project: Project, publication: Publication) -> str | None:
    """Write and commit; returns the commit's hash, None without a commit.

    Raises `PromotionRefused` where another process changed the manifest in between, or where files have changes
    that nobody committed; `GitError` where git refuses. Whatever is raised, the files are as they were before.
    """
    with locked(manifest_path(project)):
        if manifest_bytes(project) != publication.before:
            raise PromotionRefused(
                "nothing was changed: another promotion or edit changed the manifest at the same time",
                [f"{project.relative(manifest_path(project))} is no longer what this decision was taken on"],
                command="run this again",
            )
        repo = _repository(project, publication) if publication.words else None
        with _restored_on_failure(publication.files):
            for path, text in publication.files.items():
                write_bytes(path, text.encode())
            if repo is None or publication.words is None:
                return None
            words = publication.words
            paths = [*publication.files, *publication.along]
            return repo.commit(paths, words.message, trailers=words.trailers)


def check_committed(project: Project, repo: Repo, publication: Publication) -> None:
    """Raise `PromotionRefused` where files that the commit must not sweep up, or that it speaks of, are uncommitted."""
    dirty = sorted(project.relative(path) for path in repo.dirty([manifest_path(project), *publication.settled]))
    if dirty:
        raise PromotionRefused(
            "nothing was changed: these files have changes that are not committed",
            dirty,
            command=f"git add {' '.join(dirty)} && git commit, then run this again ({WITHOUT_COMMIT})",
        )


def _repository(project: Project, publication: Publication) -> Repo:
    try:
        repo = Repo.open(project.root)
    except GitError as error:
        raise GitError(f"{error}\n{WITHOUT_COMMIT}") from error
    check_committed(project, repo, publication)
    return repo


@contextlib.contextmanager
def _restored_on_failure(files: Mapping[Path, str]) -> Iterator[None]:
    """Put every file back as it was when the block raises, Ctrl-C included."""
    before = {path: read_bytes(path, str(path)) if path.exists() else None for path in files}
    try:
        yield
    except BaseException:
        for path, data in before.items():
            if data is None:
                path.unlink(missing_ok=True)
            else:
                write_bytes(path, data)
        raise
