"""A run: some versions asked for their datasets, judged, and compared with what was accepted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal

from msgspec import Struct

from promptops.core.report import CaseRow, RunningSummary, VersionSummary
from promptops.core.suite import SuiteVerdict, judge_suite, promises
from promptops.formats import RunEvidence
from promptops.models import Verdict
from promptops.runner.results import Results
from promptops.runner.session import Session
from promptops.runner.targets import Target

MOST_EVIDENCE: Final = 20_000  # cases: each of them is named with its outcome, in git, by every run

_WORST: tuple[Verdict, ...] = ("regress", "unmeasurable", "inconclusive", "pass")


class VersionResult(Struct, frozen=True):
    """How one target came out. `suite` is None where prompt.yaml promises nothing, or some cases were left out.

    `reuses` says that replies of earlier runs may be among the samples.
    """

    results: Results
    summary: VersionSummary
    suite: SuiteVerdict | None
    reuses: bool = False

    @property
    def target(self) -> Target:
        return self.results.target

    @property
    def complete(self) -> bool:
        """Whether every case of the dataset was run: only then a run is evidence."""
        return not self.target.partial and len(self.results) == self.target.total > 0

    @property
    def too_large(self) -> bool:
        """Whether there are more cases than evidence names."""
        return self.target.total > MOST_EVIDENCE

    @property
    def copied(self) -> bool:
        """Whether samples may be copies that came out of the cache: nobody can see there what they are copies of."""
        return self.reuses and "cached" in self.summary.sources

    @property
    def cases_verdict(self) -> Literal["pass", "regress", "unmeasurable"]:
        """What the cases alone say: something broke, or could not be measured, or neither."""
        counts = self.summary.counts
        if counts["broke"] or counts["error"]:
            return "regress"
        return "unmeasurable" if counts["unmeasurable"] or not self.summary.cases else "pass"

    @property
    def verdict(self) -> Verdict:
        """The worst of cases and suite."""
        suite: dict[str, Verdict] = {"fail": "regress", "unmeasurable": "unmeasurable", "undecided": "inconclusive"}
        found = {self.cases_verdict, suite.get(self.suite.status, "pass") if self.suite else "pass"}
        return next(verdict for verdict in _WORST if verdict in found)

    def evidence(self, session: Session, finished_at: str) -> RunEvidence | None:
        """The record of this run; None where it is no evidence.

        That is where cases were left out, not measured or copied from an earlier run, where they are too many, or a
        promise of the suite is broken.
        """
        broken = self.suite is not None and self.suite.status == "fail"
        unfit = self.too_large or self.copied or self.cases_verdict == "unmeasurable"
        if not self.complete or unfit or broken:
            return None
        return RunEvidence(
            candidate=self.target.side,
            measurement=self.target.measurement,
            mode=session.mode,
            outcomes=self.results.outcomes(),
            verdict=self.cases_verdict,
            finished_at=finished_at,
        )


def version_result(
    results: Results, *, see: Callable[[CaseRow], None] = lambda _: None, reuses: bool = False
) -> VersionResult:
    """Sum up how one target came out; `see` gets each row, in the order of the dataset."""
    target = results.target
    running = RunningSummary(target.prompt, target.version, str(target.pin))
    for row in results.rows():
        running.add(row)
        see(row)
    summary = running.summary()
    return VersionResult(results, summary, _suite(target, summary), reuses)


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict of several: regress beats unmeasurable beats inconclusive beats pass."""
    return next((verdict for verdict in _WORST if verdict in verdicts), "unmeasurable")


def _suite(target: Target, summary: VersionSummary) -> SuiteVerdict | None:
    spec = target.spec
    if not summary.cases or target.partial or not promises(spec.pass_rate, spec.budgets):
        return None
    return judge_suite(summary, pass_rate=spec.pass_rate, budgets=spec.budgets)
