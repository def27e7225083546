"""A run: some versions asked for their datasets, judged, and compared with what was accepted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from promptops.core.report import CaseRow, row_of, summarise
from promptops.core.suite import SuiteVerdict, judge_suite, promises
from promptops.formats import RunEvidence
from promptops.models import CaseResult, Verdict
from promptops.runner.collect import Collected
from promptops.runner.session import Session
from promptops.runner.targets import Target

_WORST: tuple[Verdict, ...] = ("regress", "unmeasurable", "inconclusive", "pass")


@dataclass(frozen=True)
class VersionResult:
    """How one target came out. `suite` is None where prompt.yaml promises nothing, or some cases were left out."""

    target: Target
    results: Mapping[str, CaseResult]
    rows: tuple[CaseRow, ...]
    suite: SuiteVerdict | None

    @property
    def complete(self) -> bool:
        """Whether every case of the dataset was run: only then a run is evidence."""
        return not self.target.partial and len(self.results) == self.target.total > 0

    @property
    def cases_verdict(self) -> Literal["pass", "regress", "unmeasurable"]:
        """What the cases alone say: something broke, or could not be measured, or neither."""
        standings = {row.standing for row in self.rows}
        if standings & {"broke", "error"}:
            return "regress"
        return "unmeasurable" if "unmeasurable" in standings or not self.rows else "pass"

    @property
    def verdict(self) -> Verdict:
        """The worst of cases and suite."""
        suite: dict[str, Verdict] = {"fail": "regress", "unmeasurable": "unmeasurable", "undecided": "inconclusive"}
        found = {self.cases_verdict, suite.get(self.suite.status, "pass") if self.suite else "pass"}
        return next(verdict for verdict in _WORST if verdict in found)

    def evidence(self, session: Session, finished_at: str) -> RunEvidence | None:
        """The record of this run; None where it is no evidence.

        That is where cases were left out or not measured, or a promise of the suite is broken.
        """
        broken = self.suite is not None and self.suite.status == "fail"
        if not self.complete or broken or self.cases_verdict == "unmeasurable":
            return None
        return RunEvidence(
            candidate=self.target.side,
            measurement=self.target.measurement,
            mode=session.mode,
            outcomes={case: result.outcome for case, result in sorted(self.results.items())},
            verdict=self.cases_verdict,
            finished_at=finished_at,
        )


def results_of(session: Session, targets: Sequence[Target], collected: Collected) -> Iterator[VersionResult]:
    """Yield how each target came out, its rows in the order of the dataset."""
    for target in targets:
        found = collected.of(target)
        ordered = {case.id: found[case.id] for case in target.cases if case.id in found}
        rows = tuple(
            row_of(
                result,
                target.case(result.case),
                standing=stood.standing,
                reason=stood.reason,
                against=target.baseline.words(target.case(result.case), target.measurement),
            )
            for result, stood in session.stand_all(target, ordered.values())
        )
        yield VersionResult(target, ordered, rows, _suite(target, rows))


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict of several: regress beats unmeasurable beats inconclusive beats pass."""
    return next((verdict for verdict in _WORST if verdict in verdicts), "unmeasurable")


def _suite(target: Target, rows: Sequence[CaseRow]) -> SuiteVerdict | None:
    spec = target.spec
    if not rows or target.partial or not promises(spec.pass_rate, spec.budgets):
        return None
    return judge_suite(summarise(rows)[0], pass_rate=spec.pass_rate, budgets=spec.budgets)
