"""What a canary measured, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from msgspec import Struct
from msgspec.structs import replace

from promptops.core.canary import CanaryDecision, Pairs
from promptops.core.diff import differences
from promptops.core.metrics import Figures
from promptops.core.sequence import decide_in_order
from promptops.core.statistics.broken import CaseCounts, broken_cases
from promptops.core.stats import ratio_of_medians
from promptops.formats import CanaryEvidence, PairOutcome
from promptops.models import CaseResult, Difference, Judgement
from promptops.runner.events import RunFinished
from promptops.runner.looks import independent, refused, replies
from promptops.runner.must_pass import MustPass

if TYPE_CHECKING:
    from promptops.runner.anchor import Anchored
    from promptops.runner.canary import Comparison
    from promptops.runner.estimates import Estimate


class Flip(Struct, frozen=True):
    """One case that came out differently, with how the two outputs differ."""

    case: str
    kind: Literal["broke", "fixed"]
    baseline: Judgement
    candidate: Judgement
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class CanaryResult:
    """What a canary measured. The order, `pairs` of the first `asked` cases in it, and `gates` are all that the verdict
    depends on; cases behind them that were not asked any more are `unmeasurable` in `pairs`.

    `candidate_written` counts the candidate's replies that were recorded. `refused` says which cap of the session
    refused a request (empty: none did), `planned` what the whole canary was to cost beforehand, `anchored` what the
    candidate is beside the anchor.
    """

    comparison: Comparison
    baseline: Mapping[str, CaseResult]
    candidate: Mapping[str, CaseResult]
    pairs: Pairs
    asked: int
    gates: tuple[str, ...]
    finished: RunFinished
    candidate_written: int
    figures: Figures = field(default_factory=dict, repr=False)
    must_pass: MustPass = field(default_factory=MustPass)
    refused: str = ""
    planned: Estimate | None = None
    anchored: Anchored | None = None
    _decisions: dict[int, CanaryDecision] = field(default_factory=dict, repr=False, compare=False)

    def licenses(self, attempt: int) -> bool:
        """Whether this is evidence as attempt `attempt`: of all cases, unless fewer decided it, and with a verdict."""
        seen = self.decision(attempt).measured > 0 or bool(self.must_pass.broken)
        return not self.comparison.partial and seen and self.concluded(attempt)

    def concluded(self, attempt: int) -> bool:
        """Whether there is a verdict, or all cases came; else the same sequence can go on."""
        verdict = self.decision(attempt).verdict
        everything = self.asked == len(self.comparison.candidate.cases)
        return verdict in ("pass", "regress") or (verdict == "inconclusive" and everything)

    def decision(self, attempt: int) -> CanaryDecision:
        """Decide as attempt `attempt` (from 1) at this comparison."""
        if attempt not in self._decisions:
            comparison, settings = self.comparison, self.comparison.candidate.spec.canary
            found = decide_in_order(
                self.pairs,
                settings,
                comparison.order,
                asked=self.asked,
                attempt=attempt,
                gates=self.gates,
                evidence=comparison.measured(self.figures),
            )
            warnings = (*found.warnings, *filter(None, (comparison.repeated,)))
            self._decisions[attempt] = self._unmeasured(replace(found, warnings=warnings))
        return self._decisions[attempt]

    def _unmeasured(self, found: CanaryDecision) -> CanaryDecision:
        """Where a budget, or a must-pass case that nobody could see, ended it: then it was not measured, and says why.

        At `--max-cost` it stops as it was told to.
        """
        if self.must_pass.unmeasured and not self.gates:
            return replace(found, reason="must-pass cases could not be measured, so nothing was compared")
        if not self.refused or found.verdict not in ("inconclusive", "unmeasurable"):
            return found
        done = f"{self.asked} of {len(self.comparison.order)} cases"
        told = replace(found, reason=f"{self.refused}, after {done}: nothing was shown by then", settle="")
        return told if self.comparison.stops_at_cost else replace(told, verdict="unmeasurable")

    def flips(self, decision: CanaryDecision) -> Iterator[Flip]:
        """The flipped cases, the broken ones first."""
        for case in decision.broke:
            yield self._flip(case, "broke")
        for case in decision.fixed:
            yield self._flip(case, "fixed")

    def _flip(self, case: str, kind: Literal["broke", "fixed"]) -> Flip:
        base, cand = telling(independent(self.baseline[case])), telling(independent(self.candidate[case]))
        return Flip(case, kind, base, cand, differences(base.value, cand.value))

    def broken(self) -> dict[str, float]:
        """The cases that are shown to pass less often than before, with adjusted p values; none below 3 samples."""
        alpha = self.comparison.candidate.spec.canary.alpha
        counts = {
            case: CaseCounts(*_passed(self.baseline[case]), *_passed(result))
            for case, result in self.candidate.items()
            if case in self.baseline
        }
        return broken_cases(counts, alpha=alpha)

    @property
    def samples(self) -> tuple[int, int]:
        """How many samples are there, of how many it could have taken; those of must-pass cases are beside them."""
        targets = (self.comparison.baseline, self.comparison.candidate)
        done = sum(
            len(independent(case).judgements)
            for side in (self.baseline, self.candidate)
            for case in side.values()
            if not refused(case)
        )
        return done, sum(len(target.cases) * target.samples for target in targets)

    @property
    def unanswered(self) -> int:
        """How many of those samples have no reply."""
        return sum(
            judgement.sample.reply is None
            for side in (self.baseline, self.candidate)
            for case in side.values()
            if not refused(case)
            for judgement in independent(case).judgements
        )

    @property
    def cost_ratio(self) -> float | None:
        """Mean cost of a candidate's request over that of a baseline's."""
        base, cand = _costs(self.baseline), _costs(self.candidate)
        if not base or not cand or not sum(base):
            return None
        return (sum(cand) / len(cand)) / (sum(base) / len(base))

    @property
    def cost(self) -> float:
        """US dollars that it cost, as far as prices are known; must-pass cases included."""
        return self.finished.cost + self.must_pass.cost

    @property
    def free(self) -> bool:
        """Whether the prices are known and every request cost nothing."""
        costs = [*_costs(self.baseline), *_costs(self.candidate)]
        return bool(costs) and not any(costs)

    @property
    def latency_ratio(self) -> float | None:
        """Median latency of the candidate over that of the baseline."""
        return ratio_of_medians(_latencies(self.candidate), _latencies(self.baseline))

    def evidence(self, attempt: int, finished_at: str) -> CanaryEvidence:
        """The record of this canary as attempt `attempt`."""
        comparison, decision = self.comparison, self.decision(attempt)
        settings, measured = comparison.candidate.spec.canary, comparison.measured(self.figures)
        return CanaryEvidence(
            candidate=comparison.candidate.side,
            baseline=comparison.baseline.side,
            measurement=comparison.candidate.measurement,
            mode="replay" if comparison.session.mode == "replay" else "live",
            baseline_source="recorded" if comparison.session.mode == "replay" else comparison.baseline_source,
            seed=comparison.seed,
            order=comparison.order,
            outcomes={case: PairOutcome(baseline=b, candidate=c) for case, (b, c) in sorted(self.pairs.items())},
            alpha=settings.alpha,
            delta=settings.delta,
            attempt=attempt,
            gates=list(self.gates),
            verdict=decision.verdict,
            p_value=decision.p_value,
            difference=decision.difference,
            interval=decision.interval,
            finished_at=finished_at,
            test="sequential",
            asked=self.asked,
            metrics=list(measured.metrics) if measured else [],
            figures={name: dict(sorted(own.items())) for name, own in measured.figures.items()} if measured else {},
            clusters=dict(sorted(measured.clusters.items())) if measured else {},
            anchor=self.anchored.evidence() if self.anchored else None,
        )


def telling(result: CaseResult) -> Judgement:
    """The judgement that decided the case: the first that is not a pass, else the first."""
    return next((j for j in result.judgements if j.outcome == result.outcome), result.judgements[0])


def _passed(result: CaseResult) -> tuple[int, int]:
    """Samples of a case that passed, of those that were measured."""
    outcomes = [judgement.outcome for judgement in independent(result).judgements]
    return outcomes.count("pass"), sum(outcome != "unmeasurable" for outcome in outcomes)


def _costs(results: Mapping[str, CaseResult]) -> list[float]:
    costs = [sample.cost for sample, _ in replies(results)]
    return [] if None in costs else [cost for cost in costs if cost is not None]


def _latencies(results: Mapping[str, CaseResult]) -> list[float]:
    return [reply.latency for sample, reply in replies(results) if sample.source != "cached" and not reply.batch]
