"""One version of one prompt with one pin, and everything that asking and judging it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from promptops.core.baseline import Baseline
from promptops.core.context import Fits
from promptops.core.judge import checks_for
from promptops.core.judging import Asked, Judge, judges_named, judging_keys, plan_judging
from promptops.core.media import MediaReader
from promptops.errors import Problem, ProblemsError
from promptops.formats import Closure, Measurement, PromptFile, Side
from promptops.models import Case, CheckSpec, Pin, Reply, Sample, SampleKey

if TYPE_CHECKING:
    from promptops.core.contract import Contract
    from promptops.core.plan import Planned
    from promptops.project.prompts import Prompt


class Frozen(Struct, frozen=True):
    """A released version whose working file no longer yields it: `parts` differ, `problem` says what to do."""

    parts: tuple[str, ...]
    problem: Problem


class Target(Struct, frozen=True, eq=False, dict=True):
    """What is tested.

    `closure` is the released one where there is one, with `pin` as asked (an override does not change the closure).
    `cases` are those selected (read from their file where they are many), `total` how many the dataset has, `samples`
    how many of each are asked. `read` reads the images and files that they name. `baseline` is what outcomes are
    compared with; `notices` are worth a line and change nothing. `frozen` is set where the working file was edited
    after its release. `fits` refuses what is longer than the model takes (None: nobody knows, or nobody is asked);
    `saving` is the US dollars that a provider's cache saved. `judges` are those that checks name.
    """

    source: Prompt
    prompt: str
    version: str
    pin: Pin
    closure: Closure
    digest: str
    released: bool
    served: bool
    spec: PromptFile
    cases: Sequence[Case]
    total: int
    samples: int
    checks: tuple[CheckSpec, ...]
    contract: Contract
    measurement: Measurement
    recordings_path: Path
    read: MediaReader | None = None
    baseline: Baseline = Baseline()
    frozen: Frozen | None = None
    notices: tuple[str, ...] = ()
    fits: Fits | None = None
    saving: Callable[[Reply], float | None] | None = None
    judges: Mapping[Asked, Judge] = {}

    @property
    def name(self) -> str:
        """`booking@v3`."""
        return f"{self.prompt}@{self.version}"

    @property
    def side(self) -> Side:
        """How evidence names it."""
        return Side(version=self.version, pin=str(self.pin), digest=self.digest)

    @property
    def partial(self) -> bool:
        """Whether cases of the dataset are left out: what is measured then licenses nothing."""
        return len(self.cases) < self.total

    @property
    def options(self) -> str:
        """What a command that asks this target needs beside its selector."""
        return "" if str(self.pin) == self.closure.model else f"--promptops-model {self.pin}"

    def keys(self, case: Case) -> list[SampleKey]:
        """The keys of one case's samples."""
        return [SampleKey(self.prompt, self.version, str(self.pin), case.id, index) for index in range(self.samples)]

    def asked_of_judges(self, case: Case) -> list[tuple[Asked, Judge]]:
        """What the `judge` checks of a case ask, and whom."""
        if not self.judges:
            return []
        checks = checks_for(case, has_contract=self.contract.schema is not None, checks=self.checks)
        return [(asked, self.judges[asked]) for asked in judges_named(checks) if asked in self.judges]

    def follow(self, sample: Sample) -> list[Planned]:
        """What judges are to be asked about a sample that has a reply."""
        case = self.case(sample.key.case) if self.judges else None
        if case is None or sample.reply is None:
            return []
        wanted = [plan_judging(judge, asked, sample, case) for asked, judge in self.asked_of_judges(case)]
        return list({planned.key: planned for each in wanted for planned in each}.values())

    def judging_keys(self, case: Case, key: SampleKey) -> list[SampleKey]:
        """The keys of what judges answer about the sample `key`, where it has a reply."""
        found = [
            judging_keys(judge, asked, key)
            for asked, judge in self.asked_of_judges(case)
            if case.has_expected or not asked.compares
        ]
        return list(dict.fromkeys(key for keys in found for key in keys))

    def case(self, case: str) -> Case:
        """The selected case with this id; raises `KeyError`."""
        return self._by_id[case]

    @cached_property
    def _by_id(self) -> dict[str, Case]:
        return {case.id: case for case in self.cases}

    @cached_property
    def varied(self) -> frozenset[str]:
        """The ids of the cases whose samples disagreed when they were accepted."""
        entries = self.baseline.entries
        return frozenset(case for case, entry in entries.items() if 0 < entry.passes < entry.of)

    def require_unedited(self) -> None:
        """Raise the problem of a released version that was edited."""
        if self.frozen is not None:
            raise ProblemsError([self.frozen.problem])
