"""Version files become items: `prompts/booking/v2.j2::<pin>::<case>`.

What is collected depends on files only, never on recordings, the store, a clock or git, so that every xdist worker
collects the same.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from promptops._pytest.canary import CanaryItem, served_beside
from promptops._pytest.items import CaseItem, FrozenItem, SuiteItem
from promptops._pytest.run import count
from promptops._pytest.state import RUN
from promptops.core.suite import promises
from promptops.errors import Problem, ProblemsError, PromptopsError
from promptops.reporting.safe import plain, terminal

if TYPE_CHECKING:
    from promptops._pytest.run import Run

_VERSION_FILE = re.compile(r"v[1-9]\d*\.j2")


class VersionFile(pytest.File):
    """`v2.j2`: one version of a prompt."""

    def collect(self) -> Iterator[pytest.Collector]:
        run = self.config.stash[RUN]
        prompt, version = self.path.parent.name, self.path.stem
        try:
            target = run.target(prompt, version)
        except ProblemsError as error:
            if not (news := run.news(error.problems)):
                return
            raise self.CollectError(_readable(news)) from None
        except PromptopsError as error:
            raise self.CollectError(terminal(str(error))) from None
        self.extra_keyword_matches.update((prompt, version, f"{prompt}@{version}"))
        yield PinCollector.from_parent(self, name=plain(str(target.pin)))


class PinCollector(pytest.Collector):
    """One version asked of one exact model."""

    def collect(self) -> Iterator[pytest.Item]:
        run = self.config.stash[RUN]
        target = run.target(self.path.parent.name, self.path.stem)
        self.keywords = dict(self.keywords)  # flat: every report of every item goes through it
        for case in target.cases:
            yield CaseItem.of(self, target, case)
        if promises(target.spec.pass_rate, target.spec.budgets):
            yield SuiteItem.of(self, target)
        if (against := served_beside(run, target)) is not None:
            yield CanaryItem.of(self, target, against)
        for name, story in run.frozen(target):
            yield FrozenItem.of(self, name, story)


class Collecting:
    """The hooks of collection, in every process that collects."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._others_failed = False

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """A link in the prompts folder that leads out of the project is no prompt, and may lead to a whole disk."""
        if not collection_path.is_symlink() or not collection_path.is_relative_to(self.run.prompts_dir):
            return None
        return None if collection_path.resolve().is_relative_to(self.run.project.root) else True

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and not _VERSION_FILE.fullmatch(report.nodeid.rpartition("/")[2]):
            self._others_failed = True

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> VersionFile | None:
        if file_path.suffix != ".j2" or not _VERSION_FILE.fullmatch(file_path.name):
            return None
        folder = file_path.parent
        if folder.name.startswith("_") or folder.parent.resolve() != self.run.prompts_dir:
            return None
        self.run.collected.add(folder.name)
        if not parent.session.isinitpath(file_path) and not self.run.wants(folder.name, file_path.stem):
            return None
        file: VersionFile = VersionFile.from_parent(parent, path=file_path)
        file.add_marker("promptops")
        return file

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        report = yield
        if isinstance(collector, pytest.Directory) and collector.path.parent == self.run.prompts_dir:
            report.result += self._no_files(collector)
        if isinstance(collector, pytest.Directory) and any(isinstance(node, VersionFile) for node in report.result):
            report.result = _by_number(report.result)
        return report

    def _no_files(self, folder: pytest.Directory) -> Iterator[VersionFile]:
        """Wanted versions that pytest passes over, because a pipe, a folder or a dead link has their name."""
        for prompt, version in sorted(self.run.selection.pairs):
            path = folder.path / f"{version}.j2"
            if prompt == folder.path.name and not path.is_file() and os.path.lexists(path):
                yield VersionFile.from_parent(folder, path=path)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Before anything is deselected: something must have been found."""
        self.run.want(items)
        if not session.testsfailed and not hasattr(session.config, "workerinput"):
            check_collected(self.run)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.run.want(session.items)
        if session.testsfailed and not self._others_failed and not session.config.option.collectonly:
            session.config.option.continue_on_collection_errors = True  # a broken prompt fails alone

    def pytest_report_collectionfinish(self) -> str:
        return f"promptops: {self.run.counted}{_asks(self.run)}"


def _asks(run: Run) -> str:
    """How much is about to be asked, in the modes that ask."""
    if run.options.mode == "replay" or not run.wanted:
        return ""
    targets = list({id(target): target for target, _ in run.wanted.values()}.values())
    samples = sum(target.samples for target, _ in run.wanted.values())
    return f", up to {samples} requests, {run.session.concurrency(targets)} at a time"


def check_collected(run: Run) -> None:
    """Raise `pytest.UsageError` where pytest passed over prompts, or where a run without explicit paths has no case."""
    config, get = run.config, run.config.getoption
    if config.args_source is pytest.Config.ArgsSource.ARGS or get("lf", None) or get("ignore") or get("ignore_glob"):
        return
    passed_over = sorted(run.selection.prompts - run.collected)
    for name in passed_over:
        if pattern := _passed_over(config, run.prompts_dir / name):
            raise pytest.UsageError(
                f"pytest passes over prompts/{name} because of {pattern}: rename the prompt, or set norecursedirs "
                "in your pytest configuration so that it does not match"
            )
    if not run.wanted and run.selection.since is None and not get("keyword") and not get("markexpr"):
        raise pytest.UsageError(
            f"there is nothing to test: {count(())} in {run.project.relative(run.prompts_dir)}/ "
            "(a prompt needs a version v1.j2 and cases in fixtures/<name>/cases.jsonl)"
        )


def _passed_over(config: pytest.Config, folder: Path) -> str:
    """Which setting makes pytest leave out `folder`; empty where none does."""
    parts = [folder, folder.parent]
    for pattern in config.getini("norecursedirs"):
        if any(fnmatch.fnmatch(path.name, pattern) for path in parts):
            return f"norecursedirs ({pattern!r})"
    return ""


def _by_number(nodes: Iterable[pytest.Item | pytest.Collector]) -> list[pytest.Item | pytest.Collector]:
    """The version files in numeric order where they stand; all else keeps its place."""
    listed = list(nodes)
    versions = iter(sorted((n for n in listed if isinstance(n, VersionFile)), key=lambda file: int(file.path.stem[1:])))
    return [next(versions) if isinstance(node, VersionFile) else node for node in listed]


def _readable(problems: Iterable[Problem]) -> str:
    return "\n".join(terminal(str(problem)) for problem in problems)
