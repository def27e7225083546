"""Around the test loop: the engine's life, and what a report of an item carries."""

from __future__ import annotations

import gc
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import Struct

from promptops._pytest.asking import Asked, LocalEngine, ReplaySource, check_budget, outlook
from promptops._pytest.items import PromptItem
from promptops._pytest.outcomes import SHOWN, ItemStanding
from promptops._pytest.progress import Display, announce
from promptops._pytest.reprs import ItemUnmeasured
from promptops.core.report import CaseRow
from promptops.errors import PromptopsError
from promptops.reporting.estimates import asking_words
from promptops.reporting.safe import terminal

if TYPE_CHECKING:
    from promptops._pytest.run import Run

ATTRIBUTE = "promptops"
"""The attribute of a report with its `Mark`."""

_PROPERTIES = {standing: ("promptops.standing", standing) for standing in SHOWN}


class Mark(Struct, frozen=True):
    """What a report carries: the kind of its item, the standing, a case's row or what a suite found.

    Only a report that leaves the process (xdist, a log of reports) is turned into plain data: `to_json`.
    """

    kind: str
    standing: ItemStanding
    data: CaseRow | Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data, read back by `from_json`."""
        data = self.data.to_json() if isinstance(self.data, CaseRow) else self.data
        return {"kind": self.kind, "standing": self.standing, "data": data}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Mark:
        """Read what `to_json` wrote."""
        data = CaseRow.from_json(found["data"]) if found["kind"] == "case" else found["data"]
        return cls(found["kind"], found["standing"], data)


def runs_items(session: pytest.Session) -> bool:
    """Whether pytest is going to run anything: nothing is asked for `--collect-only`, `--setup-only` or errors."""
    option = session.config.option
    if option.collectonly or option.setuponly or getattr(option, "setupplan", False):
        return False
    return not session.testsfailed or bool(option.continue_on_collection_errors)


class Looping:
    """Without xdist: opens where samples come from around the loop, after deselection; closed however it ends."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._engine: LocalEngine | None = None
        self._display: Display | None = None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        if not runs_items(session) or not self.run.wanted:
            return (yield)
        gc.freeze()  # modules and items stay to the end: no collection looks at them again, half a second in a thousand
        self._open(eager=not session.config.getvalue("maxfail"))
        try:
            return (yield)
        finally:
            if self._engine is not None:
                self.run.engine_error = self._engine.close()

    def _open(self, *, eager: bool) -> None:
        if self.run.options.mode == "replay":
            self.run.source = ReplaySource(self.run.session)
            return
        self.run.asked = begin(self.run)
        self._display = Display(self.run.config, self.run.asked.progress)
        self._engine = self.run.source = LocalEngine(self.run.asked, eager=eager, display=self._display)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self) -> None:
        if self._engine is not None and self.run.stopping:
            self._engine.cancel()
        if self._display is not None:
            self._display.between_items()


def begin(run: Run) -> Asked:
    """Begin or go on with a run in the store; raises `pytest.UsageError` where the budget forbids it."""
    try:
        asked = Asked(run.session, list(run.wanted.values()), run.options.resume)
    except PromptopsError as error:
        raise pytest.UsageError(terminal(str(error))) from None
    try:
        budget = run.session.caps.dollars
        if budget is not None:
            run.estimate = check_budget(asked, budget)
        announce(run.config, f"promptops: {asking_words(outlook(asked), run.session.caps)}")
    except BaseException:
        asked.stored.close()
        raise
    if words := asked.stored.words(asked.planned, "--promptops-no-resume"):
        announce(run.config, f"promptops: {words}")
    return asked


class Marking:
    """Reports of our items, in whatever process they are made."""

    def __init__(self, run: Run) -> None:
        self.run = run

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if isinstance(item, PromptItem):
            if report.sections:
                _harmless(report)
            if call.when == "call" and item.standing is not None:
                _mark(report, item, Mark(item.kind, item.standing, item.data))
                if item.standing == "known" and not item.config.getoption("runxfail", default=False) and report.failed:
                    report.outcome = "skipped"
                    report.wasxfail = "known failure, accepted in git"
        elif call.excinfo is not None and isinstance(call.excinfo.value, ItemUnmeasured):
            _mark(report, item, Mark("python", "unmeasurable"))
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_report_to_serializable(self, report: object) -> Generator[None, Any, Any]:
        data = yield
        if isinstance(mark := getattr(report, ATTRIBUTE, None), Mark):
            data[ATTRIBUTE] = mark.to_json()
        return data

    @pytest.hookimpl(wrapper=True)
    def pytest_report_from_serializable(self) -> Generator[None, Any, Any]:
        report = yield
        if (found := getattr(report, ATTRIBUTE, None)) is not None:
            setattr(report, ATTRIBUTE, Mark.from_json(found))
        return report


def _mark(report: pytest.TestReport, item: pytest.Item, mark: Mark) -> None:
    setattr(report, ATTRIBUTE, mark)
    item.user_properties.append(_PROPERTIES[mark.standing])  # JUnit reads it in the teardown's report


def _harmless(report: pytest.TestReport) -> None:
    """What a check of the user printed may be what a model said."""
    report.sections = [(name, terminal(text)) for name, text in report.sections]
