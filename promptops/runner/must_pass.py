"""Cases that a candidate may not fail: asked before anything is compared, and a failure is asked again, 2 of 3."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from promptops.core.plan import Planned, plan_case
from promptops.errors import UsageError, did_you_mean
from promptops.models import Case, CaseResult
from promptops.runner.collect import collect
from promptops.runner.looks import refused

if TYPE_CHECKING:
    from promptops.runner.engine import EngineSettings
    from promptops.runner.session import Session
    from promptops.runner.targets import Target

AGAIN = 2
"""How often a case that failed is asked again: it takes two of three to fail it."""


class MustPass(Struct, frozen=True):
    """What came of the must-pass cases: `broken` words those that failed, `unmeasured` names those nobody could see.

    True where there is one of either: then nothing else needs to be asked. `results` has those cases as they were
    judged, `samples` were asked, `cost` is US dollars.
    """

    broken: tuple[str, ...] = ()
    unmeasured: tuple[str, ...] = ()
    results: Mapping[str, CaseResult] = field(default_factory=dict)
    samples: int = 0
    cost: float = 0.0

    @property
    def refused(self) -> str:
        """Which cap refused a request for one of them; empty where none did."""
        return next((words for result in self.results.values() if (words := refused(result))), "")

    def __bool__(self) -> bool:
        return bool(self.broken or self.unmeasured)


def must_pass_cases(target: Target) -> list[Case]:
    """The cases that `canary.must_pass` names, by id or `tag:NAME`; raises `UsageError` for a name without a case."""
    found: dict[str, Case] = {}
    for name in target.spec.canary.must_pass:
        tag = name.removeprefix("tag:") if name.startswith("tag:") else None
        cases = [case for case in target.cases if (tag in case.tags if tag is not None else case.id == name)]
        if not cases and not target.partial:
            near = did_you_mean(name, [case.id for case in target.cases]) if tag is None else ""
            raise UsageError(f"canary.must_pass: no case of {target.prompt} is called {name!r}{near}")
        found |= {case.id: case for case in cases}
    return list(found.values())


def asked_gates(session: Session, target: Target, settings: Callable[[], EngineSettings]) -> MustPass:
    """Ask the candidate for its must-pass cases, and for those that fail twice more.

    Their samples have indices of their own behind those of the comparison: no sample serves for both.
    """
    cases = must_pass_cases(target)
    first = _ask(session, target, settings, cases, _once(target))
    failed = [case for case in cases if first[case.id].outcome in ("fail", "error")]
    second = _ask(session, target, settings, failed, _again(target))
    both = {
        case.id: CaseResult(case.id, first[case.id].judgements + second[case.id].judgements)
        if case.id in second
        else first[case.id]
        for case in cases
    }
    samples = [judgement.sample for result in both.values() for judgement in result.judgements]
    cost = math.fsum(each.cost or 0.0 for one in samples for each in (one, *one.answers))
    return replace(_found(both), samples=len(samples), cost=cost)


def plan_gates(target: Target) -> tuple[Iterator[Planned], Iterator[Planned]]:
    """What is asked for the must-pass cases of a candidate: of each once, and what it takes if each of them fails."""
    cases = must_pass_cases(target)
    return _plan(target, cases, _once(target)), _plan(target, cases, _again(target))


def _once(target: Target) -> range:
    return range(target.samples, target.samples + 1)


def _again(target: Target) -> range:
    return range(target.samples + 1, target.samples + 1 + AGAIN)


def replayed_gates(target: Target, results: Mapping[str, CaseResult]) -> MustPass:
    """The same of recordings, which have as many samples as they have."""
    return _found({case.id: results[case.id] for case in must_pass_cases(target) if case.id in results})


def _found(results: Mapping[str, CaseResult]) -> MustPass:
    """A case is broken where more than half of what was measured of it failed."""
    told: list[str] = []
    unseen: list[str] = []
    shown: dict[str, CaseResult] = {}
    for case, result in results.items():
        outcomes = [judgement.outcome for judgement in result.judgements]
        known = [outcome for outcome in outcomes if outcome != "unmeasurable"]
        fails = len(known) - known.count("pass")
        if known and fails * 2 <= len(known):
            continue
        shown[case] = result
        if known:
            told.append(f"must-pass case {case} failed {fails} of {len(known)} times")
        else:
            unseen.append(case)
    return MustPass(tuple(told), tuple(unseen), shown)


def _ask(
    session: Session,
    target: Target,
    settings: Callable[[], EngineSettings],
    cases: Sequence[Case],
    indices: range,
) -> Mapping[str, CaseResult]:
    if not cases:
        return {}
    plan, asked = list(_plan(target, cases, indices)), replace(target, samples=len(indices))
    results = collect(session, plan, [asked], replace(settings(), planned=len(plan))).of(asked)
    session.spend(judgement.sample for result in results.values() for judgement in result.judgements)
    return results


def _plan(target: Target, cases: Sequence[Case], indices: range) -> Iterator[Planned]:
    pin = target.pin if str(target.pin) != target.closure.model else None
    for case in cases:
        yield from plan_case(target.closure, case, indices=indices, pin=pin, released=target.released, read=target.read)
