"""The items: a case, a suite, a frozen version. Checks run here, on the main thread; engines only collect samples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from promptops._pytest.reprs import ItemFailed, ItemUnmeasured, Story, case_failed, message_of
from promptops._pytest.state import RUN
from promptops.core.report import summarise
from promptops.core.suite import judge_suite
from promptops.errors import PromptopsError
from promptops.reporting.lines import Line
from promptops.reporting.safe import one_line, terminal

if TYPE_CHECKING:
    from promptops._pytest.outcomes import ItemStanding
    from promptops.core.report import CaseRow
    from promptops.models import Case
    from promptops.runner.targets import Target


class PromptItem(pytest.Item):
    """What the items have in common. `standing` is set by `runtest`, `data` is what the report carries."""

    __slots__ = ("_extra", "data", "standing")  # of tens of thousands of items
    kind: ClassVar[str]
    standing: ItemStanding | None
    data: CaseRow | dict[str, Any] | None
    _extra: set[str] | None

    def __init__(self, **known: Any) -> None:
        super().__init__(**known)
        self.standing = self.data = None

    @property
    def title(self) -> str:
        """What a failure is headed with."""
        raise NotImplementedError

    @property
    def extra_keyword_matches(self) -> set[str]:
        """Tags; a set of its own for each item would be 216 bytes; it is made where it is asked for."""
        if self._extra is None:
            self._extra = set()
        return self._extra

    @extra_keyword_matches.setter
    def extra_keyword_matches(self, value: set[str]) -> None:
        self._extra = value or None

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, self.title

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:  # noqa: ARG002 - pytest's signature
        error = excinfo.value
        if isinstance(error, ItemFailed):
            return Story(error.message, error.lines)
        if isinstance(error, PromptopsError):
            lines = [Line(line, "bad") for line in terminal(str(error)).splitlines()]
            return Story(one_line(str(error)), lines)
        return super().repr_failure(excinfo)


class CaseItem(PromptItem):
    """One case of one version and pin, whatever the number of its samples."""

    __slots__ = ("case", "target")
    kind = "case"
    target: Target
    case: Case

    @classmethod
    def of(cls, parent: pytest.Collector, target: Target, case: Case) -> CaseItem:
        item: CaseItem = cls.from_parent(parent, name=case.id, nodeid=f"{parent.nodeid}::{case.id}")
        item.target, item.case = target, case
        if case.tags:
            item.extra_keyword_matches.update(case.tags)
        return item

    @property
    def title(self) -> str:
        return f"{self.target.name} {self.case.id}"

    def runtest(self) -> None:
        run = self.config.stash[RUN]
        row = run.row(self.target, self.case)
        self.standing, self.data = row.standing, row
        _raise_for(row)


class SuiteItem(PromptItem):
    """`[suite]`: what `pass_rate` and `budgets` of prompt.yaml promise for all cases together."""

    kind = "suite"
    target: Target

    @classmethod
    def of(cls, parent: pytest.Collector, target: Target) -> SuiteItem:
        item: SuiteItem = cls.from_parent(parent, name="[suite]", nodeid=f"{parent.nodeid}::[suite]")
        item.target = target
        return item

    @property
    def title(self) -> str:
        return f"{self.target.name} [suite]"

    def runtest(self) -> None:
        run = self.config.stash[RUN]
        selected, every = run.wanted_cases(self.target), self.target.total
        if len(selected) < every:
            self._settle("partial", [f"partial: {len(selected)} of {every} cases are selected"])
            return
        rows = [run.row(self.target, case) for case in self.target.cases]
        spec = self.target.spec
        verdict = judge_suite(summarise(rows)[0], pass_rate=spec.pass_rate, budgets=spec.budgets)
        found: dict[str, ItemStanding] = {"pass": "passed", "fail": "broke"}
        standing = found.get(verdict.status) or ("undecided" if verdict.status == "undecided" else "unmeasurable")
        worst = [finding for finding in verdict.findings if finding.status == verdict.status]
        others = [finding for finding in verdict.findings if finding.status != verdict.status]
        self._settle(standing, [f"{finding.status}: {finding.text}" for finding in (*worst, *others)])

    def _settle(self, standing: ItemStanding, findings: list[str]) -> None:
        message = one_line(f"suite: {findings[0].removeprefix('fail: ')}")
        self.standing = standing
        self.data = {
            "message": message,
            "label": self.target.name,
            "pin": str(self.target.pin),
            "standing": standing,
            "findings": findings,
        }
        if standing == "broke":
            head = Line(f"SUITE: {self.target.name}", "bad")
            body = [Line(f"  {terminal(text)}", "plain" if text.startswith("pass:") else "bad") for text in findings]
            raise ItemFailed(message, [head, *body])
        if standing != "passed":
            raise ItemUnmeasured(one_line(findings[0]))


class FrozenItem(PromptItem):
    """A released version whose file no longer yields what was released: red for that prompt alone."""

    kind = "frozen"
    story: str

    @classmethod
    def of(cls, parent: pytest.Collector, name: str, story: str) -> FrozenItem:
        item: FrozenItem = cls.from_parent(parent, name=name, nodeid=f"{parent.nodeid}::{name}")
        item.story = story
        return item

    @property
    def title(self) -> str:
        return f"{self.path.parent.name}@{self.path.stem} {self.name}"

    def runtest(self) -> None:
        self.standing = "error"
        head, *rest = terminal(self.story).splitlines()
        raise ItemFailed(one_line(head), [Line(head, "bad"), *map(Line, rest)])


def _raise_for(row: CaseRow) -> None:
    """A known failure raises too: the report is turned into an expected failure, unless `--runxfail` is given."""
    if row.standing in ("broke", "error", "known"):
        raise case_failed(row)
    if row.standing == "unmeasurable":
        hint = f"; next: {row.hint}" if row.hint else ""
        raise ItemUnmeasured(message_of(row).removeprefix("unmeasurable: ") + one_line(hint, 400))
