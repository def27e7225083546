"""Copies of replies: never a measured latency, never an independent sample, and what they cost is what those cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from promptops.core.checks import parse_checks
from promptops.core.contract import TextContract
from promptops.core.judge import judge
from promptops.core.plan import plan_samples
from promptops.core.report import CaseRow, VersionSummary, row_of, summarise
from promptops.core.standing import independent, stand
from promptops.core.stats import wilson_interval
from promptops.core.suite import judge_suite
from promptops.formats import AcceptedCase, Budgets, Closure
from promptops.models import (
    Case,
    CaseResult,
    Judgement,
    Outcome,
    PlannedSample,
    Reply,
    Sample,
    SampleKey,
    Source,
    Usage,
)

ZERO = "sha256:" + "0" * 64


def sample(source: Source, *, case: str = "c1", index: int = 0, latency: float = 9.0) -> Sample:
    reply = Reply("fine", usage=Usage(10, 3), latency=latency)
    return Sample(SampleKey("p", "v1", "test/m", case, index), ZERO, reply, source=source, cost=0.01)


def result(*judged: tuple[Source, Outcome], case: str = "c1") -> CaseResult:
    judgements = tuple(
        Judgement(sample(source, case=case, index=number), outcome) for number, (source, outcome) in enumerate(judged)
    )
    return CaseResult(case, judgements)


def row(*judged: tuple[Source, Outcome], case: str = "c1") -> CaseRow:
    return row_of(result(*judged, case=case), Case(case, {}), standing="passed")


def summary(rows: Sequence[CaseRow]) -> VersionSummary:
    (found,) = summarise(rows)
    return found


# --- checks


def judged(source: Source, *checks: Any) -> Judgement:
    specs = parse_checks(list(checks), path="prompt.yaml")
    return judge(sample(source), Case("c1", {}), TextContract(), specs, lambda _: lambda *_: True)


LATENCY: list[tuple[Any, str]] = [
    ({"max_latency": "10s"}, "pass"),
    ({"max_latency": "1s"}, "fail"),
    ({"not": {"max_latency": "10s"}}, "fail"),
    ({"not": {"max_latency": "1s"}}, "pass"),
]


@pytest.mark.parametrize(("check", "measured"), LATENCY, ids=str)
def test_the_latency_of_a_copy_neither_passes_nor_fails(check: Any, measured: str) -> None:
    assert judged("live", check).outcome == judged("recorded", check).outcome == measured
    copy = judged("cached", check)
    assert copy.outcome == "unmeasurable"
    assert [found.status for found in copy.checks] == ["unmeasured"]
    assert "--no-cache" in copy.checks[0].message


@pytest.mark.parametrize(
    ("other", "outcome"),
    [
        ({"contains": "fine"}, "unmeasurable"),
        ({"contains": "bad"}, "fail"),
        ({"python": "checks.py:f"}, "unmeasurable"),
    ],
    ids=str,
)
def test_what_is_wrong_besides_stays_wrong(other: Any, outcome: str) -> None:
    assert judged("cached", {"max_latency": "1s"}, other).outcome == outcome


@pytest.mark.parametrize("check", [{"max_cost": 0.05}, {"max_tokens": 5}, {"contains": "fine"}], ids=str)
def test_a_copy_costs_and_says_what_its_original_did(check: Any) -> None:
    assert judged("cached", check) == Judgement(
        sample("cached"), "pass", value="fine", checks=judged("live", check).checks
    )


# --- the plan


@pytest.mark.parametrize(
    ("checks", "prompt", "timed"),
    [
        ([], False, False),
        ([{"contains": "x"}], False, False),
        ([{"max_latency": "1s"}], False, True),
        ([{"not": {"max_latency": "1s"}}], False, True),
        ([], True, True),
    ],
    ids=str,
)
def test_a_sample_whose_latency_is_judged_says_so(checks: list[Any], prompt: bool, timed: bool) -> None:
    closure = Closure(prompt="p", version="v1", model="test/m", template="{{ text }}", inputs={"text": {}})
    case = Case("c1", {"text": "hi"}, checks=parse_checks(checks, path="p"))
    (planned,) = plan_samples(closure, [case], timed=prompt)
    assert isinstance(planned, PlannedSample)
    assert planned.timed is timed


# --- standing


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([("live", "pass"), ("live", "fail")], (1, 2)),
        ([("recorded", "pass"), ("recorded", "fail")], (1, 2)),
        ([("live", "pass"), ("cached", "fail"), ("cached", "fail")], (1, 1)),
        ([("cached", "pass"), ("cached", "fail")], (1, 2)),
        ([("live", "unmeasurable"), ("cached", "fail")], (0, 1)),
        ([], (0, 0)),
    ],
)
def test_copies_beside_samples_are_no_further_repeats(
    samples: list[tuple[Source, Outcome]], expected: tuple[int, int]
) -> None:
    assert independent(result(*samples)) == expected


def test_copies_do_not_make_a_case_worse_beyond_chance() -> None:
    """9 of 10 passed when it was accepted; that one fails now says little, and nine copies of failures say no more."""
    accepted = AcceptedCase(outcome="fail", passes=9, of=10, case=ZERO, samples=[])
    asked: list[tuple[Source, Outcome]] = [("live", "fail")]
    copies: list[tuple[Source, Outcome]] = [("cached", "fail")] * 9
    few = stand(result(*asked, *copies), accepted, same_measurement=True)
    many = stand(result(*asked * 10), accepted, same_measurement=True)
    assert (few.standing, many.standing) == ("known", "broke")


# --- reports and suites


def test_the_latency_of_a_copy_is_in_no_percentile() -> None:
    other = row_of(
        CaseResult("c2", (Judgement(sample("live", case="c2", latency=0.5), "pass"),)),
        Case("c2", {}),
        standing="passed",
    )
    found = summary([row(("cached", "pass")), other])
    assert (found.p50, found.p95, found.slowest) == (0.5, 0.5, (("c2", 0.5),))
    assert found.sources == {"cached": 1, "live": 1}


def test_a_latency_budget_with_nothing_but_copies_is_not_measured() -> None:
    verdict = judge_suite(summary([row(("cached", "pass"))]), pass_rate=None, budgets=Budgets(p95_latency="1s"))
    assert verdict.status == "unmeasurable"


def test_cost_and_contract_are_judged_over_copies_too() -> None:
    found = summary([row(("cached", "pass")), row(("live", "pass"), case="c2")])
    budgets = Budgets(cost_per_request=0.0101, validation_failure_rate=0.4)
    assert found.answered == 2
    assert found.cost == pytest.approx(0.02)
    assert judge_suite(found, pass_rate=None, budgets=budgets).status == "pass"


def test_a_case_of_copies_makes_the_interval_of_a_pass_rate_no_narrower() -> None:
    asked = [row(("live", "pass" if n % 2 else "fail"), case=f"c{n}") for n in range(10)]
    copies = [row(("cached", "pass" if n % 2 else "fail"), case=f"d{n}") for n in range(90)]
    found = summary([*asked, *copies])
    assert (found.measured, found.rate, found.interval) == (100, 0.5, wilson_interval(5, 10))
    assert summary(copies).interval == wilson_interval(45, 90), "a run of copies says what the run said that it copies"
