"""A canary: baseline and candidate asked for the same cases, next to each other, and compared case by case."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from promptops.core.canary import CanaryDecision, Pairs
from promptops.core.diff import differences
from promptops.core.metrics import Figures, Measured, figure_of, is_plain, metric_settings
from promptops.core.plan import Planned, clustered_order, clusters_of, interleave
from promptops.core.pricing import cost
from promptops.core.report import CaseRow, row_of, summarise
from promptops.core.sequence import decide_in_order
from promptops.core.statistics.broken import CaseCounts, broken_cases
from promptops.core.stats import ratio_of_medians
from promptops.core.suite import judge_suite
from promptops.errors import UsageError
from promptops.formats import CanaryEvidence, MetricSetting, PairOutcome
from promptops.models import (
    CaseResult,
    Difference,
    Judgement,
    Pin,
    PlannedSample,
    Sample,
    SampleKey,
    Usage,
)
from promptops.runner.collect import Collected, Progress, collect, side_key
from promptops.runner.engine import EngineSettings
from promptops.runner.events import RunFinished
from promptops.runner.looks import Looking, independent, replies
from promptops.runner.must_pass import MustPass, asked_gates, must_pass_cases, replayed_gates
from promptops.runner.resuming import StoredRun
from promptops.runner.session import Session, plan_target
from promptops.runner.sinks import RecordingSink
from promptops.runner.targets import Target

BaselineSource = Literal["live", "recorded"]


class Comparison(Struct, frozen=True, dict=True):
    """What is compared: two targets of one prompt, their order by `seed`, and where the baseline's samples are from.

    `attempt` is which try at this comparison it is, as far as is known. At `most_samples` of both sides together, or
    where they have cost `most_cost` US dollars, it stops: that is valid at any time, and decides nothing.
    """

    session: Session
    baseline: Target
    candidate: Target
    seed: int
    baseline_source: BaselineSource = "live"
    attempt: int = 1
    most_samples: int | None = None
    most_cost: float | None = None

    def __post_init__(self) -> None:
        for target in (self.baseline, self.candidate):
            target.require_unedited()
        if side_key(self.baseline) == side_key(self.candidate):
            raise UsageError(
                f"{self.candidate.name} on {self.candidate.pin} is what is served: there is nothing to compare "
                "(name another version, or another pin with --model)"
            )
        for problem in self._unmeasurable():
            raise UsageError(problem)
        must_pass_cases(self.candidate)
        if not self.candidate.cases:
            why = "--tag and --limit leave none" if self.candidate.total else "write fixtures/…/cases.jsonl"
            raise UsageError(f"{self.candidate.prompt!r} has no case to compare on: {why}")

    def _unmeasurable(self) -> Iterator[str]:
        """Guardrails that nobody could measure: better told before the first request than after the last."""
        for setting in self.metrics:
            if setting.name in ("validation", "first_pass") and self.candidate.contract.schema is None:
                yield f"canary: {setting.name} is measured by an output contract: name one, output: schema.json"
            if setting.name == "cost" and (pins := list(self._unpriced())):
                yield f"canary: the price of {pins[0]} is not known, so its cost is not: set [tool.promptops.prices]"
            if setting.name == "judge" and not self._gates:
                yield from self._unjudged()

    @property
    def _gates(self) -> bool:
        return any(not judge.advises for judge in self.candidate.judges.values())

    def _unjudged(self) -> Iterator[str]:
        advising = [f"{judge.name} only advises ({judge.advises})" for judge in self.candidate.judges.values()]
        yield f"canary: judge is measured by judges that gate: {advising[0] if advising else 'no check names one'}"

    def _unpriced(self) -> Iterator[Pin]:
        prices = self.session.project.config.prices
        return (side.pin for side in (self.baseline, self.candidate) if cost(side.pin, Usage(1, 1), prices) is None)

    @property
    def partial(self) -> bool:
        """Whether cases are left out: such a canary licenses nothing."""
        return self.candidate.partial

    @property
    def order(self) -> list[str]:
        """The case ids in the order in which they are asked; those of a cluster stand together."""
        return clustered_order((case.id for case in self.candidate.cases), self.clusters, self.seed)

    @cached_property
    def clusters(self) -> dict[str, str]:
        """The cluster of each case that is in one; empty where no two cases share one."""
        found = clusters_of(self.candidate.cases)
        return found if len(set(found.values())) < len(found) else {}

    @cached_property
    def metrics(self) -> tuple[MetricSetting, ...]:
        """What decides, the primary metric first."""
        return metric_settings(self.candidate.spec.canary, samples=max(self.baseline.samples, self.candidate.samples))

    @property
    def plain(self) -> bool:
        """Whether the outcomes alone decide, and no other figures are kept."""
        return is_plain(self.metrics, self.clusters)

    def figures(self, judged: Mapping[str, tuple[CaseResult, CaseResult]]) -> Figures:
        """Each metric of the cases that were judged on both sides."""
        names = dict.fromkeys(setting.name for setting in self.metrics)
        rows = {case: self.candidate.case(case) for case in judged}
        return {
            name: {
                case: (
                    figure_of(before, name, rows[case], candidate=False),
                    figure_of(after, name, rows[case], candidate=True),
                )
                for case, (before, after) in judged.items()
            }
            for name in names
        }

    def measured(self, figures: Figures) -> Measured | None:
        """What decides beside the outcomes; None where they do alone."""
        return None if self.plain else Measured(self.metrics, figures, self.clusters, self.seed)

    @property
    def asked_at_most(self) -> int:
        """How many cases may be asked."""
        total = len(self.candidate.cases)
        if self.most_samples is None:
            return total
        return min(total, self.most_samples // (self.baseline.samples + self.candidate.samples))

    def plan(self) -> Iterator[Planned]:
        """Both sides of every sample, interleaved in the seed's order."""
        cases = [self.candidate.case(case) for case in self.order[: self.asked_at_most]]
        baseline = plan_target(self.baseline, cases)
        if self.baseline_source == "recorded" and self.session.mode != "replay":
            baseline = (self._recorded(planned) for planned in baseline)
        return interleave(baseline, plan_target(self.candidate, cases), self.seed)

    def _recorded(self, planned: Planned) -> Planned:
        return self.session.find(planned) if isinstance(planned, PlannedSample) else planned


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

    `candidate_written` counts the candidate's replies that were recorded.
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
    _decisions: dict[int, CanaryDecision] = field(default_factory=dict, repr=False, compare=False)

    @property
    def licenses(self) -> bool:
        """Whether this is evidence: of all cases, unless fewer decided it, and no outage from end to end."""
        seen = self.decision(self.comparison.attempt).measured > 0 or bool(self.must_pass.broken)
        return not self.comparison.partial and seen and self.concluded

    @property
    def concluded(self) -> bool:
        """Whether there is a verdict, or all cases were asked; else more money would take it further."""
        decided = self.decision(self.comparison.attempt).verdict in ("pass", "regress")
        return decided or self.asked == len(self.comparison.candidate.cases)

    def decision(self, attempt: int) -> CanaryDecision:
        """Decide as attempt `attempt` (from 1) at this comparison."""
        if attempt not in self._decisions:
            comparison, settings = self.comparison, self.comparison.candidate.spec.canary
            self._decisions[attempt] = decide_in_order(
                self.pairs,
                settings,
                comparison.order,
                asked=self.asked,
                attempt=attempt,
                gates=self.gates,
                evidence=comparison.measured(self.figures),
            )
        return self._decisions[attempt]

    def flips(self, decision: CanaryDecision) -> Iterator[Flip]:
        """The flipped cases, the broken ones first."""
        for case in decision.broke:
            yield self._flip(case, "broke")
        for case in decision.fixed:
            yield self._flip(case, "fixed")

    def _flip(self, case: str, kind: Literal["broke", "fixed"]) -> Flip:
        base, cand = _telling(independent(self.baseline[case])), _telling(independent(self.candidate[case]))
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
        """How many samples are there, of how many it could have taken."""
        targets = (self.comparison.baseline, self.comparison.candidate)
        done = sum(
            len(independent(case).judgements) for side in (self.baseline, self.candidate) for case in side.values()
        )
        return done, sum(len(target.cases) * target.samples for target in targets)

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

    @property
    def rows(self) -> list[CaseRow]:
        """One row a case of the candidate, for reports."""
        return _rows(self.comparison.candidate, self.candidate)

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
        )


def run_canary(
    comparison: Comparison,
    *,
    stored: StoredRun | None = None,
    progress: Progress = lambda _: None,
) -> CanaryResult:
    """Ask both sides and judge them by today's checks; raises what the engine raises, and `KeyboardInterrupt`.

    It looks at each pair in the order in which cases were drawn, and as soon as there is a verdict nothing more is sent
    and what is in flight is dropped. In a replay every case is read: it costs nothing.

    Every sample is asked, and of recordings those that are copies do not count: what one reply says of two cases, or of
    both sides, it says once.

    Replies of the candidate that have no recording yet are recorded: acceptance and verification need them.
    """
    session, targets = comparison.session, (comparison.baseline, comparison.candidate)

    def settings() -> EngineSettings:
        found = session.engine_settings(targets, fresh=True)
        return stored.settings(found) if stored is not None else found

    recorder = RecordingSink(session.path_of(targets), _unrecorded(comparison))
    collected = Collected()
    looking = Looking(comparison, collected)
    first = MustPass() if session.mode == "replay" else asked_gates(session, comparison.candidate, settings)
    own = settings()
    collect(
        session,
        () if first else comparison.plan(),
        targets,
        replace(own, sinks=(*own.sinks, recorder)),
        progress=progress,
        into=collected,
        enough=looking.enough,
    )
    assert collected.finished is not None
    baseline, candidate = collected.of(comparison.baseline), collected.of(comparison.candidate)
    first = replayed_gates(comparison.candidate, candidate) if session.mode == "replay" else first
    gates = (*first.broken, *_gates(comparison.candidate, candidate))
    return CanaryResult(
        comparison,
        baseline,
        candidate,
        looking.pairs(),
        looking.asked,
        gates,
        collected.finished,
        recorder.written,
        looking.figures(),
        first,
    )


def _unrecorded(comparison: Comparison) -> Callable[[Sample], bool]:
    """Whether a live sample is the candidate's and fills a gap in its recordings, or is what judges said of such."""
    candidate = comparison.candidate
    side, lines = side_key(candidate), comparison.session.recordings(candidate).lines

    written: set[SampleKey] = set()

    def writable(sample: Sample) -> bool:
        key = sample.key
        if (key.prompt, key.version, key.pin) != side:
            return key in written
        line = lines.get((key.case, key.index))
        if line is not None:
            asked = [turn["asked"] for turn in line.fields.get("earlier") or ()]
            same = line.fields["request"] == sample.request and asked == [turn.asked for turn in sample.earlier]
            if candidate.released or same:
                return False
        written.update(answer.key for answer in sample.answers)
        return True

    return writable


def _passed(result: CaseResult) -> tuple[int, int]:
    """Samples of a case that passed, of those that were measured."""
    outcomes = [judgement.outcome for judgement in independent(result).judgements]
    return outcomes.count("pass"), sum(outcome != "unmeasurable" for outcome in outcomes)


def _gates(target: Target, results: Mapping[str, CaseResult]) -> tuple[str, ...]:
    """The budgets of prompt.yaml that the candidate breaks: hard limits, no statistics."""
    rows = [row for row in _rows(target, results) if row.sources]
    if not rows:
        return ()
    findings = judge_suite(summarise(rows)[0], pass_rate=None, budgets=target.spec.budgets).findings
    return tuple(finding.text for finding in findings if finding.status == "fail")


def _rows(target: Target, results: Mapping[str, CaseResult]) -> list[CaseRow]:
    return [row_of(result, target.case(case), standing="passed") for case, result in results.items()]


def _telling(result: CaseResult) -> Judgement:
    """The judgement that decided the case: the first that is not a pass, else the first."""
    return next((j for j in result.judgements if j.outcome == result.outcome), result.judgements[0])


def _costs(results: Mapping[str, CaseResult]) -> list[float]:
    costs = [sample.cost for sample, _ in replies(results)]
    return [] if None in costs else [cost for cost in costs if cost is not None]


def _latencies(results: Mapping[str, CaseResult]) -> list[float]:
    return [reply.latency for sample, reply in replies(results) if sample.source != "cached" and not reply.batch]
