"""Standing against the accepted baseline: the whole table."""

from __future__ import annotations

import itertools
from typing import Literal, get_args

import pytest

from promptops.core.standing import Stood, stand, varies
from promptops.formats import AcceptedCase
from promptops.models import CaseResult, Judgement, Outcome, Sample, SampleKey, Standing

ZERO = "sha256:" + "0" * 64
ONE = "sha256:" + "1" * 64


def result(*outcomes: Outcome) -> CaseResult:
    key = SampleKey("p", "v1", "test/m", "c1")
    return CaseResult("c1", tuple(Judgement(Sample(key, ""), outcome) for outcome in outcomes))


def accepted(passes: int, of: int = 1) -> AcceptedCase:
    outcome: Literal["pass", "fail"] = "pass" if passes == of else "fail"
    return AcceptedCase(outcome=outcome, passes=passes, of=of, case=ZERO, samples=[])


TABLE: dict[tuple[Outcome, str], tuple[Standing, Standing]] = {  # (outcome, accepted) -> gate baseline, gate cases
    ("pass", "pass"): ("passed", "passed"),
    ("pass", "fail"): ("fixed", "fixed"),
    ("pass", "changed"): ("passed", "passed"),
    ("pass", "none"): ("passed", "passed"),
    ("fail", "pass"): ("broke", "broke"),
    ("fail", "fail"): ("known", "broke"),
    ("fail", "changed"): ("broke", "broke"),
    ("fail", "none"): ("broke", "broke"),
    **{("error", then): ("error", "error") for then in ("pass", "fail", "changed", "none")},
    **{("unmeasurable", then): ("unmeasurable", "unmeasurable") for then in ("pass", "fail", "changed", "none")},
}


def test_the_table_is_complete() -> None:
    assert set(TABLE) == set(itertools.product(get_args(Outcome), ("pass", "fail", "changed", "none")))


@pytest.mark.parametrize(("row", "standings"), TABLE.items(), ids=str)
def test_one_sample_stands_as_the_table_says(row: tuple[Outcome, str], standings: tuple[Standing, Standing]) -> None:
    outcome, then = row
    baseline = {"pass": accepted(1), "fail": accepted(0), "changed": accepted(0), "none": None}[then]
    for gate, standing in zip(("baseline", "cases"), standings, strict=True):
        found = stand(result(outcome), baseline, same_measurement=then != "changed", gate=gate)  # type: ignore[arg-type]
        assert found.standing == standing


def test_reasons_say_why_the_baseline_did_not_count() -> None:
    assert stand(result("fail"), None, same_measurement=False) == Stood("broke", "no accepted outcome")
    changed = "the case, its checks or the contract changed since it was accepted"
    assert stand(result("fail"), accepted(0), same_measurement=False) == Stood("broke", changed)
    assert stand(result("fail"), accepted(0), same_measurement=True, gate="cases").reason == "gate: cases"
    assert stand(result("fail"), accepted(0), same_measurement=True) == Stood("known")


@pytest.mark.parametrize(
    ("now", "then", "varying", "standing"),
    [
        ((2, 3), (3, 3), 1, "known"),
        ((0, 3), (2, 3), 1, "known"),
        ((3, 3), (2, 3), 1, "passed"),
        ((2, 3), (0, 3), 1, "known"),
        ((1, 3), (0, 1), 1, "known"),
        ((3, 3), (1, 3), 9, "passed"),
        ((0, 5), (4, 5), 1, "broke"),  # p = 0.024
        ((0, 5), (4, 5), 3, "known"),
        ((1, 20), (19, 20), 100, "broke"),
        ((1, 5), (5, 5), 1, "broke"),  # p = 0.024
        ((1, 5), (5, 5), 0, "broke"),
        ((0, 3), (3, 3), 1, "broke"),  # nothing varies: a plain flip
        ((3, 3), (0, 3), 1, "fixed"),
    ],
)
def test_a_case_that_varies_gates_only_beyond_chance(
    now: tuple[int, int], then: tuple[int, int], varying: int, standing: Standing
) -> None:
    outcomes: list[Outcome] = ["pass" if n < now[0] else "fail" for n in range(now[1])]
    found = stand(result(*outcomes), accepted(*then), same_measurement=True, varying=varying)
    assert found.standing == standing
    if varies(result(*outcomes), accepted(*then)):
        told = f"varies: {now[0]} of {now[1]} samples passed, {then[0]} of {then[1]} when accepted"
        assert found.reason.startswith(told)


def test_a_varying_case_without_a_baseline_is_broken_and_gate_cases_forgives_nothing() -> None:
    assert stand(result("pass", "fail"), None, same_measurement=False).standing == "broke"
    assert stand(result("pass", "fail"), accepted(1, 2), same_measurement=True, gate="cases").standing == "broke"


@pytest.mark.parametrize("worse", ["error", "unmeasurable"])
def test_one_sample_that_could_not_be_judged_decides_for_all(worse: Outcome) -> None:
    assert stand(result("pass", worse, "fail"), accepted(0), same_measurement=True).standing == worse


def test_a_case_without_samples_is_unmeasurable() -> None:
    assert stand(result(), accepted(1), same_measurement=True).standing == "unmeasurable"
