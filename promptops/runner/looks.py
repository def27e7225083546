"""Looks at the pairs of a canary in their order while they come in, and says when it is enough."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from promptops.core.canary import Pairs
from promptops.core.metrics import Figure, Figures
from promptops.core.sequence import PairTrial
from promptops.core.sequence_metrics import FigureTrial
from promptops.formats import MetricName
from promptops.models import CaseResult, Outcome, Reply, Sample, Verdict
from promptops.runner.collect import Collected
from promptops.runner.targets import Target

if TYPE_CHECKING:
    from promptops.runner.canary import Comparison


class Looking:
    """Looks at the pairs of a canary in their order while they come in; `asked` of them so far."""

    def __init__(self, comparison: Comparison, collected: Collected) -> None:
        self._comparison, self._collected = comparison, collected
        self._order = comparison.order
        self._add = self._by_figures() if not comparison.plain else self._by_outcomes()
        self._stops = comparison.session.mode != "replay"
        self._decided = False
        self.asked = 0
        self.refused = ""

    def enough(self) -> bool:
        """Whether nothing more has to be asked: a verdict, or a cap that refuses the next request."""
        self.refused = self.refused or self._refused()
        while not self._decided and self.asked < len(self._order) and self._pair(self._order[self.asked]) is not None:
            self._decided = self._add(self._order[self.asked]) is not None and self._stops
            self.asked += 1
        return self._decided or bool(self.refused)

    def figures(self) -> Figures:
        """Each metric of the cases that came on both sides."""
        came = {case: self._both(case) for case in self._order if self._pair(case) is not None}
        return self._comparison.figures(came)

    def _by_outcomes(self) -> Callable[[str], Verdict | None]:
        trial = PairTrial(len(self._order), self._comparison.candidate.spec.canary, self._comparison.attempt)
        return lambda case: trial.add(*(self._pair(case) or ("unmeasurable", "unmeasurable")))

    def _by_figures(self) -> Callable[[str], Verdict | None]:
        measured = self._comparison.measured({})
        assert measured is not None
        settings, attempt = self._comparison.candidate.spec.canary, self._comparison.attempt
        trial = FigureTrial.of(self._order, measured, settings, attempt)
        return lambda case: trial.add(self._figures(case))

    def _figures(self, case: str) -> Mapping[MetricName, Figure]:
        """The figures of a case that came on both sides."""
        return {name: own[case] for name, own in self._comparison.figures({case: self._both(case)}).items()}

    def _both(self, case: str) -> tuple[CaseResult, CaseResult]:
        before, after = (independent(self._collected.of(side)[case]) for side in self._sides)
        return before, after

    @property
    def _sides(self) -> tuple[Target, Target]:
        return self._comparison.baseline, self._comparison.candidate

    def pairs(self) -> Pairs:
        """Every case of the canary with both outcomes, as far as they were measured."""
        return {case: self._pair(case) or ("unmeasurable", "unmeasurable") for case in self._order}

    def _pair(self, case: str) -> tuple[Outcome, Outcome] | None:
        before, after = (self._collected.of(side).get(case) for side in self._sides)
        if before is None or after is None or refused(before) or refused(after):
            return None
        return independent(before).outcome, independent(after).outcome

    def _refused(self) -> str:
        """Which cap refused a request for one of the cases that came last; empty where none did."""
        results = (self._collected.of(side) for side in self._sides)
        return next((words for own in results if own and (words := refused(own[next(reversed(own))]))), "")


def refused(result: CaseResult) -> str:
    """Which cap refused a request for a case, in words; empty where all of them were sent."""
    samples = (each for judgement in result.judgements for each in (judgement.sample, *judgement.sample.answers))
    failures = (each.failure for each in samples if each.failure is not None)
    return next((failure.message for failure in failures if failure.kind == "budget"), "")


def independent(result: CaseResult) -> CaseResult:
    """The samples that were asked: a case that has copies only was not measured."""
    return CaseResult(result.case, tuple(j for j in result.judgements if j.sample.source != "cached"))


def replies(results: Mapping[str, CaseResult]) -> Iterator[tuple[Sample, Reply]]:
    for result in results.values():
        for judgement in result.judgements:
            if judgement.sample.reply is not None:
                yield judgement.sample, judgement.sample.reply
