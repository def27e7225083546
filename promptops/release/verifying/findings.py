"""What verification finds, and where it is collected."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from promptops.errors import GitError, ProblemsError, PromptopsError
from promptops.project.root import Project
from promptops.store.git import Repo

Kind = Literal["problem", "notice"]


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that does not hold (`problem`) or that is worth knowing (`notice`).

    `path` is relative to the project, `line` counts from 1 (0: the file as a whole), `hint` says what to do and
    `commit` which commit touched the file last (empty where git cannot say).
    """

    kind: Kind
    prompt: str
    path: str
    line: int
    message: str
    hint: str = ""
    commit: str = ""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """Everything found. `recomputed` says what was, `skipped` what was not recomputed and why."""

    findings: tuple[Finding, ...]
    recomputed: tuple[str, ...]
    skipped: tuple[str, ...]
    prompts: tuple[str, ...]

    @property
    def problems(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.kind == "problem")

    @property
    def notices(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.kind == "notice")


@dataclass
class Collector:
    """Collects findings; `prompt` is the one being looked at."""

    project: Project
    prompt: str = ""
    findings: list[Finding] = field(default_factory=list)
    recomputed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        try:
            self._repo: Repo | None = Repo.open(self.project.root)
        except GitError:
            self._repo = None
        self._commits: dict[str, str] = {}

    def problem(self, path: Path | str, message: str, hint: str = "", *, line: int = 0) -> None:
        """Note what does not hold, with the commit that touched the file last."""
        self._add("problem", path, message, hint, line)

    def notice(self, path: Path | str, message: str, hint: str = "") -> None:
        """Note what is worth knowing."""
        self._add("notice", path, message, hint, 0)

    @contextlib.contextmanager
    def isolated(self, path: Path | str) -> Iterator[None]:
        """Turn an error of one file into a finding, so that it hides nothing else."""
        try:
            yield
        except ProblemsError as error:
            for item in error.problems:
                self._add("problem", item.path, item.message, item.hint, item.line)
        except PromptopsError as error:
            self.problem(path, str(error))
        except RecursionError:
            self.problem(path, "is nested too deeply")

    def last_change(self, path: Path) -> str:
        """`; prompts/x was last touched by …`, for a second file that may be to blame; empty where git cannot say."""
        shown = self.project.relative(path)
        commit = self._commit(shown)
        return f"; {shown} was last touched by {commit}" if commit else ""

    def _add(self, kind: Kind, path: Path | str, message: str, hint: str, line: int) -> None:
        shown = self.project.relative(path) if isinstance(path, Path) else path
        found = Finding(kind, self.prompt, shown, line, message, hint, self._commit(shown))
        if found not in self.findings:
            self.findings.append(found)

    def _commit(self, shown: str) -> str:
        """Which commit touched the file last, in words."""
        if self._repo is None:
            return ""
        if shown not in self._commits:
            self._commits[shown] = describe_last_change(self._repo, self.project.root / shown)
        return self._commits[shown]


def describe_last_change(repo: Repo, path: Path) -> str:
    """`1a2b3c4d5e by Ada on 2026-11-22: Subject`, or that the change is not committed; empty where git cannot say."""
    try:
        if repo.dirty([path]):
            return "a change that is not committed"
        found = repo.last_commit_of(path)
    except GitError:
        return ""
    return f"{found.sha[:10]} by {found.author} on {found.date[:10]}: {found.subject}" if found else ""
