"""A canary: baseline and candidate asked for the same cases, next to each other, and compared case by case."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import chain
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from promptops.core.alike import repeated_words
from promptops.core.metrics import Figures, Measured, figure_of, is_plain, metric_settings
from promptops.core.plan import Planned, clustered_order, clusters_of, interleave
from promptops.core.pricing import cost
from promptops.core.report import CaseRow, row_of, summarise
from promptops.core.suite import judge_suite
from promptops.errors import UsageError
from promptops.formats import MetricSetting
from promptops.models import CaseResult, Pin, PlannedSample, Sample, SampleKey, Usage
from promptops.runner.anchor import anchor_of, beside_anchor
from promptops.runner.canary_result import CanaryResult
from promptops.runner.collect import Collected, Progress, collect, side_key
from promptops.runner.engine import EngineSettings
from promptops.runner.estimates import Estimate, estimate, estimate_run
from promptops.runner.looks import Looking, refused
from promptops.runner.must_pass import MustPass, asked_gates, must_pass_cases, plan_gates, replayed_gates
from promptops.runner.resuming import StoredRun
from promptops.runner.session import Session, plan_target
from promptops.runner.sinks import RecordingSink
from promptops.runner.targets import Target

BaselineSource = Literal["live", "recorded"]


class Comparison(Struct, frozen=True, dict=True):
    """What is compared: two targets of one prompt, their order by `seed`, and where the baseline's samples are from.

    `attempt` is which try at this comparison it is, as far as is known; `abandoned` runs of it that nobody goes on with
    are among them. At `most_samples` of both sides together, or
    before it could cost more than `most_cost` US dollars (the session's cap, then), it stops: that is valid at any
    time, and decides nothing.
    """

    session: Session
    baseline: Target
    candidate: Target
    seed: int
    baseline_source: BaselineSource = "live"
    attempt: int = 1
    abandoned: tuple[str, ...] = ()
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
        if self.most_cost is not None and (pins := list(self._unpriced())):
            raise UsageError(f"--max-cost: the price of {pins[0]} is not known: set [tool.promptops.prices]")
        must_pass_cases(self.candidate)
        _ = self.anchor
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
            if setting.name == "distance" and not any(case.has_expected for case in self.candidate.cases):
                yield "canary: distance is measured to what is expected, and no case expects anything: write expected:"
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
    def stops_at_cost(self) -> bool:
        """Whether the cap of the session is where it was told to stop, not a budget that it must not exceed."""
        return self.most_cost is not None and self.session.caps.dollars == self.most_cost

    @property
    def order(self) -> list[str]:
        """The case ids in the order in which they are asked; those of a cluster stand together."""
        return clustered_order((case.id for case in self.candidate.cases), self.clusters, self.seed)

    @cached_property
    def anchor(self) -> Target | None:
        """The version that stays the same, beside which the candidate is looked at, too."""
        return anchor_of(self.session, self.baseline, self.candidate)

    @cached_property
    def clusters(self) -> dict[str, str]:
        """The cluster of each case that is in one; empty where no two cases share one."""
        found = clusters_of(self.candidate.cases)
        return found if len(set(found.values())) < len(found) else {}

    @cached_property
    def repeated(self) -> str:
        """Which cases have the inputs of others, for people; empty where none have."""
        return repeated_words(self.candidate.cases)

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

    def expected(self, missing: Callable[[Iterable[Planned]], Iterable[Planned]] = iter) -> Estimate:
        """What it will ask and cost at most, must-pass cases included; `missing` leaves out what is there."""
        targets = (self.baseline, self.candidate)
        if self.session.mode == "replay":
            return estimate(self.session, self.plan(), targets)
        once, again = plan_gates(self.candidate)
        found = estimate(self.session, missing(chain(once, self.plan())), targets)
        return found.plus(estimate(self.session, missing(again), ()), repeats=True)

    def about(self) -> Estimate:
        """`expected`, before anything is asked and from a part of many cases."""
        once, again = plan_gates(self.candidate)
        found = estimate_run(self.session, (self.baseline, self.candidate)).plus(estimate(self.session, once, ()))
        return found.plus(estimate(self.session, again, ()), repeats=True)

    def _recorded(self, planned: Planned) -> Planned:
        return self.session.find(planned) if isinstance(planned, PlannedSample) else planned


def run_canary(
    comparison: Comparison,
    *,
    stored: StoredRun | None = None,
    planned: Estimate | None = None,
    progress: Progress = lambda _: None,
) -> CanaryResult:
    """Ask both sides and judge them by today's checks; raises what the engine raises, and `KeyboardInterrupt`.

    It looks at each pair in the order in which cases were drawn, and as soon as there is a verdict nothing more is sent
    and what is in flight is dropped. In a replay every case is read: it costs nothing. It also stops at the first
    request that a cap of the session refuses: what it would have asked counts as not asked.

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
    pairs, figures = looking.pairs(), looking.figures()
    gates = (*first.broken, *broken_budgets(comparison.candidate, candidate))
    return CanaryResult(
        comparison,
        baseline,
        candidate,
        pairs,
        looking.asked,
        gates,
        collected.finished,
        recorder.written,
        figures,
        first,
        looking.refused or first.refused,
        planned,
        beside_anchor(comparison, pairs, looking.asked, figures),
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


def broken_budgets(target: Target, results: Mapping[str, CaseResult]) -> tuple[str, ...]:
    """The budgets of prompt.yaml that the candidate breaks: hard limits, no statistics."""
    rows = [row for row in _rows(target, results) if row.sources and not refused(results[row.case])]
    if not rows:
        return ()
    findings = judge_suite(summarise(rows)[0], pass_rate=None, budgets=target.spec.budgets).findings
    return tuple(finding.text for finding in findings if finding.status == "fail")


def _rows(target: Target, results: Mapping[str, CaseResult]) -> list[CaseRow]:
    return [row_of(result, target.case(case), standing="passed") for case, result in results.items()]
