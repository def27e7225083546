"""What the user sees: letters, the summary, report files, the exit code. In the controller only."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from promptops._pytest import junit
from promptops._pytest.finishing import end, finish
from promptops._pytest.outcomes import SHOWN, ItemStanding, exit_code
from promptops._pytest.reprs import story_again, story_of
from promptops._pytest.running import ATTRIBUTE, Mark
from promptops.core.report import CaseRow, summarise
from promptops.errors import PromptopsError, StoreError
from promptops.reporting.lines import MARKUP, Line, Style
from promptops.reporting.listing import listed_lines
from promptops.reporting.safe import one_line, terminal
from promptops.reporting.summary import summary_lines

if TYPE_CHECKING:
    from promptops._pytest.run import Run

_LASTFAILED = "cache/lastfailed"


class Reporting:
    """Collects the rows that reports carry, from this process or from workers."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.rows: list[CaseRow] = []
        self.suites: list[Mapping[str, Any]] = []
        self.standings: set[ItemStanding] = set()
        self._unmeasured: set[str] = set()
        self._failed_before: Mapping[str, bool] = {}
        self._notes: list[Line] = []

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        self.run.pytest_session = session
        cache = getattr(session.config, "cache", None)
        self._failed_before = cache.get(_LASTFAILED, {}) if cache is not None else {}

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None, object, object]:
        mark: Mark | None = getattr(report, ATTRIBUTE, None)
        if mark is None:
            result = yield
            self._let_go(report)
            return result
        self._keep(report, mark)
        result = yield
        junit.mend(self.run.config, report, mark.standing)
        return result

    def _let_go(self, report: pytest.TestReport) -> None:
        """Reports of setups and teardowns are kept for `--durations` only: they are an eighth of all memory."""
        reporter = self.run.config.pluginmanager.get_plugin("terminalreporter")
        held = reporter.stats.get("") if reporter is not None else None
        if held and held[-1] is report and ".j2::" in report.nodeid and self.run.config.option.durations is None:
            held.pop()

    def _keep(self, report: pytest.TestReport, mark: Mark) -> None:
        standing = mark.standing
        self.standings.add(standing)
        if isinstance(row := mark.data, CaseRow):
            self.rows.append(row)
            if isinstance(report.longrepr, str) and (report.failed or standing == "known"):
                report.longrepr = story_of(row)  # type: ignore[assignment]  # any object with toterminal will do
        elif isinstance(mark.data, Mapping):
            self.suites.append(mark.data)
            if isinstance(report.longrepr, str) and report.failed:
                report.longrepr = story_again(mark.data["message"], report.longrepr)  # type: ignore[assignment]
        if standing in ("unmeasurable", "undecided"):
            self._unmeasured.add(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, tuple[str, Any]] | None:
        mark: Mark | None = getattr(report, ATTRIBUTE, None)
        if mark is None or mark.standing not in ("unmeasurable", "undecided"):
            return None
        shown = SHOWN[mark.standing]
        return shown.category, shown.letter, (shown.word, {"yellow": True})

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        interrupted = self._finish(session)
        code = exit_code(int(session.exitstatus), self.standings)
        if code == pytest.ExitCode.NO_TESTS_COLLECTED and self.run.selection.since is not None:
            code = 0
        session.exitstatus = code
        result = yield
        self._keep_last_failed(session.config)
        end(self.run, self.standings, interrupted=interrupted)
        return result

    def _finish(self, session: pytest.Session) -> bool:
        """Write what was accepted and the report files; an error here is a failure of the run.

        Returns whether the run was cut short, by Ctrl-C or by an error.
        """
        interrupted = int(session.exitstatus) in (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR)
        try:
            self._notes += finish(self.run, self.rows)
            if (died := self.run.engine_error) is not None:
                raise StoreError(f"the run ended early: {str(died) or type(died).__name__}")
        except PromptopsError as error:
            self._notes.append(Line(f"promptops: {terminal(str(error))}", "bad"))
            if int(session.exitstatus) == 0:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
            return True
        return interrupted

    def _keep_last_failed(self, config: pytest.Config) -> None:
        """A case that could not be measured now stays among the last failures if it was there."""
        cache = getattr(config, "cache", None)
        kept = {node: True for node in self._unmeasured if node in self._failed_before}
        if cache is None or not kept or config.getoption("cacheshow", None) or hasattr(config, "workerinput"):
            return
        cache.set(_LASTFAILED, {**cache.get(_LASTFAILED, {}), **kept})

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.run.config.option.collectonly:
            return
        write = terminalreporter
        write.section("promptops", bold=True)
        for line in (*self._lines(), *self._notes):
            write.write_line(line.text, **MARKUP[line.style])

    def _lines(self) -> Iterator[Line]:
        since = f", changed {self.run.selection.since}" if self.run.selection.since else ""
        progress = self.run.asked.progress if self.run.asked is not None else None
        cached = f", {progress.cached}" if progress is not None and progress.cached else ""
        yield Line(f"{self.run.counted}, mode {self.run.options.mode}{since}{cached}")
        yield from summary_lines(summarise(self.rows))
        for suite in self.suites:
            style: Style = (
                "good" if suite["standing"] == "passed" else "bad" if suite["standing"] == "broke" else "warn"
            )
            yield Line(f"{suite['label']} {suite.get('name', '[suite]')}: {suite['standing']}", style)
            yield from (Line(f"  {one_line(text)}") for text in suite["findings"])
        yield from listed_lines(self.rows)
