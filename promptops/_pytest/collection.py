"""Version files become items: `prompts/booking/v2.j2::<pin>::<case>`.

What is collected depends on files only, never on recordings, the store, a clock or git, so that every xdist worker
collects the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from promptops._pytest.items import CaseItem, FrozenItem, SuiteItem
from promptops._pytest.state import RUN
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
        yield PinCollector.from_parent(self, name=plain(target.pin))


class PinCollector(pytest.Collector):
    """One version asked of one exact model."""

    def collect(self) -> Iterator[pytest.Item]:
        run = self.config.stash[RUN]
        target = run.target(self.path.parent.name, self.path.stem)
        for case in target.cases:
            yield CaseItem.of(self, target, case)
        if target.has_suite:
            yield SuiteItem.of(self, target)
        for name, story in run.frozen(target):
            yield FrozenItem.of(self, name, story)


class Collecting:
    """The hooks of collection."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.collected: set[str] = set()

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> VersionFile | None:
        if file_path.suffix != ".j2" or not _VERSION_FILE.fullmatch(file_path.name):
            return None
        folder = file_path.parent
        if folder.name.startswith("_") or folder.parent.resolve() != self.run.prompts_dir:
            return None
        self.collected.add(folder.name)
        if not parent.session.isinitpath(file_path) and not self.run.wants(folder.name, file_path.stem):
            return None
        file: VersionFile = VersionFile.from_parent(parent, path=file_path)
        file.add_marker("promptops")
        return file

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Iterator[None]:
        report: pytest.CollectReport = yield
        if isinstance(collector, pytest.Directory) and any(isinstance(node, VersionFile) for node in report.result):
            report.result = _by_number(report.result)
        return report  # noqa: B901 - what pluggy's wrappers return

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        self.run.counted = self.run.count(items)
        if hasattr(config, "workerinput") or session.testsfailed:
            return
        self.run.check_collected(self.collected)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.run.counted = self.run.count(session.items)
        self.run.want(session.items)

    def pytest_report_header(self) -> str:
        return self.run.header()

    def pytest_report_collectionfinish(self) -> str:
        return f"promptops: {self.run.counted}"


def _by_number(nodes: Iterable[pytest.Item | pytest.Collector]) -> list[pytest.Item | pytest.Collector]:
    """The version files in numeric order where they stand; all else keeps its place."""
    listed = list(nodes)
    versions = iter(
        sorted((n for n in listed if isinstance(n, VersionFile)), key=lambda file: int(file.path.stem[1:]))
    )
    return [next(versions) if isinstance(node, VersionFile) else node for node in listed]


def _readable(problems: Iterable[Problem]) -> str:
    return "\n".join(terminal(str(problem)) for problem in problems)
