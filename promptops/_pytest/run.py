"""What one pytest process knows of its run: what is selected, what is wanted, and how to get and judge it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
from msgspec.structs import replace

from promptops._pytest.canary import CanaryItem, WantedKey, side_by_side
from promptops._pytest.items import CaseItem
from promptops._pytest.python_tests import PromptRequest
from promptops._pytest.rows import case_row
from promptops.errors import Problem
from promptops.models import Case, CaseResult, Sample
from promptops.runner.targets import Target

if TYPE_CHECKING:
    from promptops._pytest.asking import Asked
    from promptops._pytest.options import Options
    from promptops._pytest.selection import Selection
    from promptops.core.report import CaseRow
    from promptops.project.root import Project
    from promptops.runner.session import Session


class Source(Protocol):
    """Hands out the samples of a wanted case; waits for them. Open only inside the test loop."""

    def samples(self, target: Target, case: Case) -> list[Sample]: ...


class Run:
    """The state behind all hooks of one process; the decisions are in the modules around it."""

    def __init__(self, config: pytest.Config, options: Options, session: Session, selection: Selection) -> None:
        self.config, self.options, self.session, self.selection = config, options, session, selection
        self.project: Project = session.project
        self.prompts_dir: Path = self.project.prompts_dir.resolve()
        self.counted = "0 cases of 0 prompts"
        self.collected: set[str] = set()
        self.wanted: dict[WantedKey, tuple[Target, Case]] = {}
        self.source: Source | None = None
        self.asked: Asked | None = None
        self.estimate = ""
        self.engine_error: BaseException | None = None
        self.pytest_session: pytest.Session | None = None
        self._tested: set[WantedKey] = set()
        self._compared: set[str] = set()
        self._results: dict[WantedKey, CaseResult] = {}
        self._rows: dict[str, dict[str, CaseRow]] = {}
        self._told: set[Problem] = set()

    # --- collection

    def target(self, prompt: str, version: str) -> Target:
        """One version, read once; raises what is wrong with it."""
        return self.session.target(prompt, version)

    def wants(self, prompt: str, version: str) -> bool:
        """Whether a version is selected."""
        return (prompt, version) in self.selection.pairs

    def news(self, problems: Iterable[Problem]) -> list[Problem]:
        """The problems that no other version of the prompt has reported yet."""
        found = [problem for problem in problems if problem not in self._told]
        self._told.update(found)
        return found

    def frozen(self, target: Target) -> Iterator[tuple[str, str]]:
        """What is wrong with released versions, as name and story: this one edited, another one gone."""
        if target.frozen is not None:
            problem = target.frozen.problem
            yield "[frozen]", f"{replace(problem, hint='')}\n  next: {problem.hint}"
        versions = self.selection.versions.get(target.prompt, ())
        if versions and versions[-1] == target.version:
            for gone in self.selection.gone.get(target.prompt, ()):
                path = self.project.relative(self.prompts_dir / target.prompt / f"{gone}.j2")
                story = f"{target.prompt}@{gone} is served, and its file is gone\n  next: git restore {path}"
                yield f"[{gone} is gone]", story

    def want(self, items: Sequence[pytest.Item]) -> None:
        """Learn, after deselection, which cases are asked for, and in which order."""
        self.wanted, self._tested, self._compared = {}, set(), set()
        canaries = [item for item in items if isinstance(item, CanaryItem)]
        for canary in canaries:
            self._compared.update((canary.target.name, f"{canary.target.prompt}@{canary.against}"))
        for item in items:
            if (wanted := wanted_by(item)) is None:
                continue
            target, case = wanted
            key = (target.prompt, target.version, case.id)
            self.wanted.setdefault(key, wanted)
            if not isinstance(item, CaseItem):
                self._tested.add(key)
        if self.pairs_sides:
            self.wanted = side_by_side(self.wanted, canaries)
        self.counted = count(self.wanted)

    @property
    def pairs_sides(self) -> bool:
        """Whether both sides of a canary are asked together: not where a first failure may end the run."""
        return self.options.mode != "replay" and not self.config.getvalue("maxfail")

    def wanted_cases(self, target: Target) -> list[str]:
        """The ids of the cases of `target` that items of this run ask for."""
        return [case.id for other, case in self.wanted.values() if other is target]

    # --- the loop

    @property
    def stopping(self) -> bool:
        """Whether pytest is about to end early: `-x`, `--maxfail`, another plugin."""
        session = self.pytest_session
        return session is not None and bool(session.shouldstop or session.shouldfail)

    def result(self, target: Target, case: Case) -> CaseResult:
        """Wait for the samples of one case and judge them.

        Kept where a Python test asks for the case, alone or beside its item, and where a canary compares it: an engine
        hands out a sample once.
        """
        key = (target.prompt, target.version, case.id)
        if (result := self._results.get(key)) is None:
            if self.source is None:
                raise RuntimeError("an item runs only inside the test loop")
            result = self.session.judge(target, self.source.samples(target, case), case)
            if key in self._tested or target.name in self._compared:
                self._results[key] = result
        return result

    def row(self, target: Target, case: Case) -> CaseRow:
        """The judged case beside its baseline, made once: a suite, or a plugin that runs an item again, wants it too.

        Of all that was measured only this is held to the end: a tenth of a case's samples and judgements.
        """
        rows = self._rows.setdefault(target.name, {})
        if (row := rows.get(case.id)) is None:
            result = self.result(target, case)
            row = case_row(self.session, target, case, result, reported=bool(self.options.reports))
            rows[case.id] = row
        return row


def count(wanted: Iterable[WantedKey]) -> str:
    """`60 cases of 2 prompts`."""
    found = set(wanted)
    prompts = {prompt for prompt, _, _ in found}
    return f"{len(found)} case{'s' * (len(found) != 1)} of {len(prompts)} prompt{'s' * (len(prompts) != 1)}"


def wanted_by(item: pytest.Item) -> tuple[Target, Case] | None:
    """The case that an item asks for; a Python test by its parameter."""
    if isinstance(item, CaseItem):
        return item.target, item.case
    request = getattr(getattr(item, "callspec", None), "params", {}).get("_prompt_request")
    return (request.target, request.case) if isinstance(request, PromptRequest) else None
