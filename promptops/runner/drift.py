"""Asks served versions again and compares with their recordings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from promptops.core.drift import Answer, CaseSamples, DriftDecision, decide_drift
from promptops.core.plan import Planned, case_order, plan_case
from promptops.core.sequence import decide_in_order
from promptops.errors import UsageError
from promptops.models import Case, CaseResult, Judgement, Outcome, PlannedSample, Sample
from promptops.runner.collect import Progress, collect
from promptops.runner.resuming import StoredRun
from promptops.runner.session import Session
from promptops.runner.targets import Target

DatasetVerdict = Literal["WORSE", "NOT WORSE", "UNKNOWN"]
_VERDICTS: Mapping[str, DatasetVerdict] = {"regress": "WORSE", "pass": "NOT WORSE"}
MOST_RECORDED = 100  # samples of one case


class DriftResult(Struct, frozen=True):
    """How one served version answered tonight, beside its recording, judged by today's checks alike."""

    target: Target
    cases: tuple[CaseSamples, ...]
    tonight: Mapping[str, CaseResult]
    unrecorded: tuple[str, ...]
    decision: DriftDecision
    cost: float | None
    verdict: DatasetVerdict = "UNKNOWN"
    why: str = ""


def drift_targets(session: Session, selectors: Sequence[str]) -> list[Target]:
    """Return the served versions to check, each with the cases and samples that its settings ask for.

    Without selectors: what the environment in force serves. Raises `UsageError` where nothing is served.
    """
    environment = session.environment
    pairs = session.select(
        selectors or ([f"env:{environment}"] if environment in session.manifest.environments else [])
    )
    if not selectors and environment not in session.manifest.environments:
        pairs = []
    targets = [session.target(prompt, version) for prompt, version in pairs]
    served = [target for target in targets if target.served]
    if not served:
        raise UsageError(
            f"{environment!r} serves nothing of what is selected, and drift is about what is served "
            "(take a version in with `promptops adopt NAME@vN`)"
        )
    return [_bounded(session, target) for target in served if target.cases]


def _bounded(session: Session, target: Target) -> Target:
    """The target with as many samples and cases as `drift:` in prompt.yaml asks for a night."""
    settings = target.spec.drift
    samples = session.choices.samples or settings.samples
    cases: Sequence[Case] = target.cases
    if settings.cases and not session.choices.limit and len(cases) > settings.cases:
        chosen = set(case_order([case.id for case in cases], 0)[: settings.cases])
        cases = tuple(case for case in cases if case.id in chosen)
    return replace(target, samples=samples, cases=cases)


def run_drift(
    session: Session,
    targets: Sequence[Target],
    *,
    stored: StoredRun | None = None,
    progress: Progress = lambda _: None,
) -> list[DriftResult]:
    """Ask every target live and decide for each; nothing is recorded. Raises what the engine raises."""
    settings = session.engine_settings(targets, fresh=True)
    settings = stored.settings(settings) if stored is not None else settings
    collected = collect(session, session.plan(targets), targets, settings, progress=progress)
    return [_result(session, target, collected.of(target)) for target in targets]


def _result(session: Session, target: Target, tonight: Mapping[str, CaseResult]) -> DriftResult:
    cases, unrecorded = [], []
    before: dict[str, CaseResult] = {}
    for case in target.cases:
        recorded = [session.judge(target, [sample]).judgements[0] for sample in recorded_samples(session, target, case)]
        if not recorded:
            unrecorded.append(case.id)
        else:
            before[case.id] = CaseResult(case.id, tuple(recorded))
        cases.append(_case(case.id, recorded, tonight[case.id].judgements if case.id in tonight else ()))
    costs = [j.sample.cost for result in tonight.values() for j in result.judgements if j.sample.reply]
    cost = None if None in costs else sum(cost for cost in costs if cost is not None)
    verdict, why = _verdict(target, before, tonight)
    return DriftResult(target, tuple(cases), tonight, tuple(unrecorded), decide_drift(cases), cost, verdict, why)


def _verdict(
    target: Target, before: Mapping[str, CaseResult], tonight: Mapping[str, CaseResult]
) -> tuple[DatasetVerdict, str]:
    """The canary's own tests, with the recording as baseline and tonight as candidate."""
    order = case_order([case.id for case in target.cases], 0)
    pairs: dict[str, tuple[Outcome, Outcome]] = {
        case: (
            before[case].outcome if case in before else "unmeasurable",
            tonight[case].outcome if case in tonight else "unmeasurable",
        )
        for case in order
    }
    decision = decide_in_order(pairs, target.spec.canary, order, asked=len(order))
    return _VERDICTS.get(decision.verdict, "UNKNOWN"), decision.reason


def recorded_samples(session: Session, target: Target, case: Case) -> list[Sample]:
    """All valid recorded samples of one case, as asked today; a copy is no further sample of what it copies."""
    lines = session.recordings(target).lines
    indices = [index for index in range(MOST_RECORDED) if (case.id, index) in lines]
    plan: Iterator[Planned] = plan_case(
        target.closure, case, indices=indices, released=target.released, read=target.read
    )
    found = [session.find(planned) for planned in plan if isinstance(planned, PlannedSample)]
    return [sample for sample in found if sample.reply is not None and sample.source != "cached"]


def _case(case: str, recorded: Sequence[Judgement], tonight: Sequence[Judgement]) -> CaseSamples:
    failures = [judgement.sample.failure for judgement in tonight if judgement.sample.failure]
    return CaseSamples(
        case,
        [_answer(judgement) for judgement in recorded],
        [_answer(judgement) for judgement in tonight if judgement.sample.reply],
        identity=sum(failure.kind == "identity" for failure in failures),
    )


def _answer(judgement: Judgement) -> Answer:
    reply = judgement.sample.reply
    first = judgement.sample.first_usage
    assert reply is not None
    assert first is not None
    calls = "".join(json.dumps(call.get("function"), sort_keys=True) for call in reply.tool_calls)
    return Answer(
        text=reply.text + calls,
        passed=judgement.outcome == "pass",
        valid=judgement.valid,
        served=reply.served_model,
        tokens=first.input_tokens,
    )
