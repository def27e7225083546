"""git, through GitPython, which nothing else imports; it is imported when a repository is opened.

Everything goes through the git program, so that hooks, signing, filters, worktrees and `safe.directory` hold as they do
for the user. Paths go in and out as `Path`s under the folder that was opened, wherever the repository's root is.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from promptops.errors import GitError
from promptops.store.atomic import locked

if TYPE_CHECKING:
    from git.cmd import Git

MAIN_BRANCHES: Final = ("origin/HEAD", "origin/main", "origin/master", "main", "master")

# What git tells a hook about the repository that it runs for (`git rev-parse --local-env-vars`). The project's own
# repository may be another one, and a hook's temporary index is not the user's.
_INHERITED: Final = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_PREFIX",
    "GIT_NAMESPACE",
    "GIT_SHALLOW_FILE",
    "GIT_GRAFT_FILE",
    "GIT_REPLACE_REF_BASE",
)
_TRAILER: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_COMMIT_FORMAT: Final = "--format=%H%x00%an%x00%aI%x00%s%x00"
_RAW: Final = ("--raw", "-z", "--no-abbrev", "--no-renames", "--no-ext-diff", "--ignore-submodules=dirty")
_UNSHALLOW: Final = "this is a shallow clone: run `git fetch --unshallow` (in CI: fetch-depth: 0), then again"


class Commit(Struct, frozen=True):
    """One commit: full sha, author's name, author date as ISO 8601 with its zone, first line of the message."""

    sha: str
    author: str
    date: str
    subject: str


class Repo(Struct, frozen=True):
    """The repository that `base` lies in; `root` is the top of its work tree. Made by `open`.

    Every method raises `GitError` where git refuses.
    """

    base: Path
    root: Path

    @classmethod
    def open(cls, path: Path) -> Repo:
        """Find the repository of a folder, as git does: in the folder itself or above it.

        Raises `GitError` where git is not installed, there is no repository, it has no work tree, or git does not trust
        its owner.
        """
        base = path.absolute()
        if not base.is_dir():
            raise GitError(f"{path} is not a folder: no git repository can be looked for in it")
        inside = _run(base, "rev-parse", "--is-inside-work-tree").strip()
        if inside != b"true":
            raise GitError(f"{path} is in a bare repository or in a .git folder, where no files are checked out")
        return cls(base, Path(os.fsdecode(_line(_run(base, "rev-parse", "--show-toplevel")))))

    # --- where history stands

    def head(self) -> str:
        """The sha of the commit that is checked out. Raises `GitError` where nothing was committed yet."""
        if (sha := self._resolve("HEAD")) is None:
            raise GitError(f"{self.root} has no commits yet: commit once, then run this again")
        return sha

    def is_shallow(self) -> bool:
        """Whether history was cut off when the repository was cloned."""
        return _run(self.root, "rev-parse", "--is-shallow-repository").strip() == b"true"

    def merge_base(self, rev: str | None = None) -> str:
        """The sha of the last commit that HEAD and `rev` share; `rev` is the main branch unless it is given.

        Raises `GitError` for an unknown `rev`, no main branch, or no common ancestor (as in a shallow clone).
        """
        head = self.head()
        other = self._known(rev) if rev is not None else self._main_branch()
        status, out, stderr = _execute(self.root, "merge-base", head, other)
        if status == 0:
            return _text(_line(out))
        if status != 1:
            raise _refused("merge-base", out, stderr, self.root)
        why = _UNSHALLOW if self.is_shallow() else "name another base"
        raise GitError(f"HEAD and {rev or 'the main branch'} have no common ancestor: {why}")

    # --- what changed

    def changed_since(self, rev: str | None = None) -> frozenset[Path]:
        """The files under `base` that differ from the merge base with `rev` (default: the main branch).

        Committed, staged, unstaged and untracked changes count, deletions too; changed file modes and ignored files do
        not.
        """
        since, where = self.merge_base(rev), self._pathspecs([self.base])
        found = set(_raw_paths(_run(self.root, "diff", *_RAW, since, "--", *where)))
        found |= set(_raw_paths(_run(self.root, "diff", "--cached", *_RAW, since, "--", *where)))
        others = _run(self.root, "ls-files", "-z", "--others", "--exclude-standard", "--", *where)
        return frozenset(self._path(name) for name in (*found, *_fields(others)))

    def dirty(self, paths: Iterable[Path]) -> list[Path]:
        """Those of `paths` (for folders: of the files in them) that are changed, staged or untracked."""
        options = ("-z", "--untracked-files=all", "--no-renames", "--ignore-submodules=none")
        if not (where := self._pathspecs(paths)):
            return []
        out = _run(self.root, "status", "--porcelain=v1", *options, "--", *where)
        return sorted(self._path(entry[3:]) for entry in _fields(out))

    # --- what was committed

    def last_commit_of(self, path: Path) -> Commit | None:
        """The newest commit that changed `path`; None where it never was committed.

        Raises `GitError` in a shallow clone that does not reach back to that commit.
        """
        found = self.commits_of([path], limit=1)
        if found and found[0].sha in self._shallow_boundary():
            raise GitError(f"which commit changed {path} last is not known here: {_UNSHALLOW}")
        return found[0] if found else None

    def commits_of(self, paths: Iterable[Path], *, limit: int = 20) -> list[Commit]:
        """The newest commits that changed any of `paths`, newest first."""
        if self._resolve("HEAD") is None:
            return []
        options = ("--no-show-signature", "--no-color", "--encoding=UTF-8", f"--max-count={limit}", _COMMIT_FORMAT)
        out = _run(self.root, "log", *options, "--", *self._pathspecs(paths))
        fields = [_text(part).lstrip("\n") for part in out.split(b"\0")][:-1]
        return [Commit(*fields[n : n + 4]) for n in range(0, len(fields), 4)]

    def show(self, rev: str, path: Path) -> bytes | None:
        """The content of `path` in commit `rev`, as stored; None where that commit has no such file."""
        name = f"{self._known(rev)}:{os.fsdecode(self._name(path))}"
        status, out, _ = _execute(self.root, "rev-parse", "--verify", "--quiet", name)
        return None if status else _run(self.root, "cat-file", "blob", _text(_line(out)))

    # --- committing

    def commit(self, paths: Sequence[Path], message: str, trailers: Mapping[str, str] | None = None) -> str:
        """Commit exactly `paths` as they are on disk and return the new sha.

        Hooks run and signing applies. What the user staged of other files stays staged. Where git or a hook refuses,
        the index is as it was. Whether `paths` hold unrelated changes is the caller's to ask, with `dirty`, before it
        writes them. One commit of ours waits for another.

        Raises `GitError` with git's or the hook's words; `ValueError` for a malformed trailer name.
        """
        text = _message(message, trailers or {})
        with locked(self._git_path("index")):
            self._commit(paths, text)
            return self.head()

    def _commit(self, paths: Sequence[Path], text: str) -> None:
        if not self.dirty(paths):
            names = ", ".join(str(path) for path in paths)
            raise GitError(
                f"there is nothing to commit: {names or 'no file was named'} is as committed, or ignored by git"
            )
        where = self._pathspecs(paths)
        new = [self._path(name) for name in _fields(_run(self.root, "ls-files", "-z", "--others", "--", *where))]
        with _known_to_the_index(self.root, self._pathspecs(new)):
            _run(self.root, "commit", "--only", "--quiet", "--cleanup=whitespace", f"--message={text}", "--", *where)

    # --- names and revisions

    def _known(self, rev: str) -> str:
        if (sha := self._resolve(rev)) is not None:
            return sha
        why = _UNSHALLOW if self.is_shallow() else "fetch it, or name another commit or branch"
        raise GitError(f"{rev!r} is not a commit in {self.root}: {why}")

    def _resolve(self, rev: str) -> str | None:
        if not rev or rev.startswith("-") or "\0" in rev:
            return None
        status, out, _ = _execute(self.root, "rev-parse", "--verify", "--quiet", f"{rev}^{{commit}}")
        return _text(_line(out)) if status == 0 else None

    def _main_branch(self) -> str:
        for name in MAIN_BRANCHES:
            kind = "remotes" if name.startswith("origin/") else "heads"
            if (sha := self._resolve(f"refs/{kind}/{name}")) is not None:
                return sha
        why = f": {_UNSHALLOW}" if self.is_shallow() else ""
        raise GitError(f"no main branch is known here (looked for {', '.join(MAIN_BRANCHES)}); name the base{why}")

    def _shallow_boundary(self) -> frozenset[str]:
        try:
            return frozenset(self._git_path("shallow").read_text("ascii").split())
        except FileNotFoundError:
            return frozenset()

    def _git_path(self, name: str) -> Path:
        """Where git keeps a file of its own."""
        return self.root / os.fsdecode(_line(_run(self.root, "rev-parse", "--git-path", name)))

    def _pathspecs(self, paths: Iterable[Path]) -> list[str]:
        """Pathspecs without magic, so that a name with `*` or `:` is only that name. (An environment variable would do
        too, but the hooks of a commit would inherit it.)
        """
        return [f":(top,literal){os.fsdecode(self._name(path))}" for path in paths]

    def _name(self, path: Path) -> bytes:
        """The name of `path` as git writes it: relative to the root, with slashes."""
        full = Path(os.path.normpath(self.base / path))
        inside = self.base.resolve() / full.relative_to(self.base) if full.is_relative_to(self.base) else full
        try:
            candidates = (inside, inside.parent.resolve() / inside.name)
        except (OSError, RuntimeError) as error:
            raise GitError(f"{path} cannot be followed: {error}") from error
        for candidate in candidates:
            if candidate.is_relative_to(self.root):
                name = candidate.relative_to(self.root).as_posix()
                return b"" if name == "." else os.fsencode(name)
        raise GitError(f"{path} is outside of the git repository {self.root}")

    def _path(self, name: bytes) -> Path:
        """The path of a file that git names: under `base` as it was opened, else under the root."""
        full, base = self.root / os.fsdecode(name), self.base.resolve()
        return self.base / full.relative_to(base) if full.is_relative_to(base) else full


@contextlib.contextmanager
def _known_to_the_index(root: Path, pathspecs: Sequence[str]) -> Iterator[None]:
    """`git commit -- FILE` knows only files in the index: new ones are put there, and taken out if it fails.

    Taken out by `reset`, which leaves them where another process has committed them meanwhile.
    """
    if not pathspecs:
        yield
        return
    try:
        _run(root, "add", "--intent-to-add", "--", *pathspecs)
        yield
    except BaseException:
        _execute(root, "reset", "--quiet", "--", *pathspecs)
        raise


def _message(message: str, trailers: Mapping[str, str]) -> str:
    lines = []
    for name, value in trailers.items():
        if not _TRAILER.fullmatch(name):
            raise ValueError(f"{name!r} cannot be the name of a trailer: letters, digits and dashes only")
        lines.append(f"{name}: {' '.join(value.split())}")
    text = message.strip() + ("\n\n" + "\n".join(lines) if lines else "") + "\n"
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def _raw_paths(out: bytes) -> Iterator[bytes]:
    """The names in `git diff --raw -z`: after each `:mode mode sha sha status`. Equal shas: only the mode differs."""
    fields = _fields(out)
    for info, name in zip(fields[::2], fields[1::2], strict=True):
        _, _, old, new, _ = info.split(b" ")
        if old != new:
            yield name


def _fields(out: bytes) -> list[bytes]:
    return out.split(b"\0")[:-1]


def _line(out: bytes) -> bytes:
    return out.removesuffix(b"\n")


def _text(out: bytes) -> str:
    return out.decode("utf-8", "replace")


def _run(folder: Path, *arguments: str) -> bytes:
    status, out, stderr = _execute(folder, *arguments)
    if status != 0:
        raise _refused(arguments[0], out, stderr, folder)
    return out


def _execute(folder: Path, *arguments: str) -> tuple[int, bytes, str]:
    """Run git in `folder`; return its status, standard output and standard error."""
    git = _program()
    from git.exc import GitCommandNotFound

    modes = ("-c", "core.fileMode=false") if arguments[0] in ("diff", "status") else ()
    # GitPython runs in the current folder where `folder` is gone; `-C` does not.
    place = (git.GIT_PYTHON_GIT_EXECUTABLE or "git", "-C", os.fspath(folder))
    command = [*_without_inherited(), *place, *modes, *arguments]
    try:
        status, out, stderr = git(folder).execute(
            command,
            with_extended_output=True,
            with_exceptions=False,
            stdout_as_string=False,
            strip_newline_in_stdout=False,
            env=_environment(arguments[0]),
        )
    except GitCommandNotFound as error:
        raise _not_installed() from error
    assert isinstance(out, bytes)
    return int(status), out, str(stderr)


def _program() -> type[Git]:
    """Import GitPython; its own import fails where there is no git program, with words for programmers."""
    if shutil.which(os.environ.get("GIT_PYTHON_GIT_EXECUTABLE", "git")) is None:
        raise _not_installed()
    try:
        from git.cmd import Git
    except Exception as error:  # an ImportError, or whatever a broken git program made GitPython raise
        raise GitError(f"git does not run: {error}") from error
    return Git


def _not_installed() -> GitError:
    return GitError("git is not installed: install it (https://git-scm.com/downloads) and see that it is on the PATH")


def _without_inherited() -> list[str]:
    """GitPython always hands the whole environment on; only `env -u` can take a variable out of it."""
    found = [name for name in _INHERITED if name in os.environ]
    if not found or sys.platform == "win32":
        return []
    return ["env", *(word for name in found for word in ("-u", name))]


def _environment(verb: str) -> dict[str, str]:
    """Never ask on the terminal. Read without taking locks; commit in the user's own locale, which hooks inherit."""
    quiet = {"GIT_TERMINAL_PROMPT": "0"}
    if verb == "commit":
        return {**quiet, **{name: os.environ.get(name, "") for name in ("LC_ALL", "LANGUAGE")}}
    return {**quiet, "GIT_OPTIONAL_LOCKS": "0"}


def _refused(verb: str, out: bytes, stderr: str, folder: Path) -> GitError:
    said = "\n".join(part for part in (stderr.strip(), _text(out).strip()) if part)
    if "dubious ownership" in said or "unsafe repository" in said:
        trust = "if you trust it: git config --global --add safe.directory"
        return GitError(f"git refuses {folder}, because it belongs to another user; {trust} {folder}")
    if "not a git repository" in said:
        return GitError(f"{folder} is not in a git repository: run `git init` there and commit, or go to one")
    return GitError(f"git {verb} failed:\n{said or 'it said nothing'}")
