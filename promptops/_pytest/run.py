"""What one pytest process knows of its run: what is selected, what is wanted, and how to get and judge it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from promptops._pytest.items import CaseItem, SuiteItem
from promptops._pytest.sources import Source
from promptops._pytest.targets import PytestTarget, Targets
from promptops.core.report import CaseRow
from promptops.errors import Problem
from promptops.models import Case, CaseResult

if TYPE_CHECKING:
    from promptops._pytest.options import Options
    from promptops._pytest.selection import Selection

WantedKey = tuple[str, str, str]  # prompt, version, case


class Run:
    """The state behind all hooks of one process; the decisions are in the modules around it."""

    def __init__(self, config: pytest.Config, options: Options, selection: Selection, targets: Targets) -> None:
        self.config, self.options, self.selection, self.targets = config, options, selection, targets
        self.counted = "0 cases of 0 prompts"
        self.wanted: dict[WantedKey, tuple[PytestTarget, Case]] = {}
        self.source: Source | None = None
        self._consumers: Counter[WantedKey] = Counter()
        self._results: dict[WantedKey, CaseResult] = {}
        self._told: set[Problem] = set()

    def news(self, problems: Iterable[Problem]) -> list[Problem]:
        """The problems that no other version of the prompt has reported yet."""
        found = [problem for problem in problems if problem not in self._told]
        self._told.update(found)
        return found

    def want(self, items: Sequence[pytest.Item]) -> None:
        """Learn, after deselection, which cases are asked for, in which order, and by how many items."""
        for target, case in _wanted_by(items):
            key = _key(target, case)
            self.wanted.setdefault(key, (target, case))
            self._consumers[key] += 1

    def wanted_cases(self, target: PytestTarget) -> list[str]:
        """The ids of the cases of `target` that items of this run ask for."""
        return [case.id for other, case in self.wanted.values() if other is target]

    def result(self, target: PytestTarget, case: Case) -> CaseResult:
        """Wait for the samples of one case and judge them; once, even where several items want it."""
        key = _key(target, case)
        if (kept := self._results.get(key)) is not None:
            return kept
        assert self.source is not None, "an item runs only inside the test loop"
        result = self.targets.judge(target, case, self.source.get(target.keys(case)))
        if self._consumers[key] > 1 or self.options.accept or target.has_suite:
            self._results[key] = result
        return result

    def row(self, target: PytestTarget, case: Case) -> CaseRow:
        """The judged case beside its baseline."""
        return self.targets.row(target, case, self.result(target, case))

    @property
    def results(self) -> Mapping[WantedKey, CaseResult]:
        """What was judged and kept in this process."""
        return self._results


def counted(items: Iterable[pytest.Item]) -> str:
    """`60 cases of 2 prompts`."""
    found = {_key(target, case) for target, case in _wanted_by(items)}
    prompts = {prompt for prompt, _, _ in found}
    return f"{len(found)} case{'s' * (len(found) != 1)} of {len(prompts)} prompt{'s' * (len(prompts) != 1)}"


def _wanted_by(items: Iterable[Any]) -> Iterator[tuple[PytestTarget, Case]]:
    for item in items:
        if isinstance(item, CaseItem):
            yield item.target, item.case
        elif not isinstance(item, SuiteItem) and (call := getattr(item, "callspec", None)) is not None:
            request = call.params.get("_prompt_request")
            if request is not None:
                yield request.target, request.case


def _key(target: PytestTarget, case: Case) -> WantedKey:
    return target.prompt, target.version, case.id
