"""One sample judged: outcomes, default checks, and every failure that is not the model's."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from promptops.core.checks import parse_checks
from promptops.core.contract import Contract, PydanticContract, TextContract
from promptops.core.judge import NOTHING, judge
from promptops.errors import FailureKind, UserCodeError
from promptops.models import Case, CheckSpec, Failure, Judgement, Reply, Sample, SampleKey, Usage


class Booking(BaseModel):
    time: str
    people: int = 2


BOOKING = PydanticContract(Booking)
TEXT = TextContract()
KEY = SampleKey("booking", "v1", "test/model-1", "c1")


def _resolve(reference: str) -> Any:
    raise UserCodeError(reference, "there is no file")


def judged(text: str, case: Case, checks: list[Any] | None = None, contract: Contract = BOOKING) -> Judgement:
    sample = Sample(KEY, "sha256:0", Reply(text, usage=Usage(1, 2)))
    return judge(sample, case, contract, parse_checks(checks, path="p"), _resolve)


def case(expected: Any = None, checks: list[Any] | None = None, *, has: bool = True) -> Case:
    return Case("c1", {}, expected, has, checks=parse_checks(checks, path="p"))


@pytest.mark.parametrize("kind", get_args(FailureKind))
def test_without_a_reply_only_a_bad_recording_is_an_error(kind: FailureKind) -> None:
    sample = Sample(KEY, "sha256:0", failure=Failure(kind, "why"))
    judgement = judge(sample, case({"time": "x"}), BOOKING, (), _resolve)
    bad = kind in ("stale_recording", "edited_recording", "unreadable_recordings")
    assert judgement == Judgement(sample, "error" if bad else "unmeasurable")


@pytest.mark.parametrize(
    ("the_case", "contract", "checks", "labels"),
    [
        (case({"time": "x"}), BOOKING, None, ["schema", "matches"]),
        (case(has=False), BOOKING, None, ["schema"]),
        (case({"time": "x"}), BOOKING, ["schema"], ["schema"]),
        (case({"time": "x"}, ["equals"]), BOOKING, None, ["schema", "equals"]),
        (case({"time": "x"}, [{"contains": "x"}]), BOOKING, None, ["schema", "matches", "contains"]),
        (case({"time": "x"}, [{"contains": "x"}]), BOOKING, ["matches"], ["matches", "contains"]),
        (case('{"time": "x"}'), TEXT, None, ["matches"]),
        (case(None), BOOKING, None, ["schema", "matches"]),
        (case(has=False, checks=[{"contains": "x"}]), TEXT, None, ["contains"]),
        (case(has=False), TEXT, None, ["checks"]),
    ],
)
def test_the_prompts_checks_come_first_then_the_cases_own(
    the_case: Case, contract: Contract, checks: list[Any] | None, labels: list[str]
) -> None:
    assert [check.label for check in judged('{"time": "x"}', the_case, checks, contract).checks] == labels


def test_a_good_answer_passes_and_is_normalised() -> None:
    judgement = judged('Here: {"time": "x", "people": "3"}', case({"people": 3}))
    assert judgement.outcome == "pass"
    assert (judgement.value, judgement.valid) == ({"time": "x", "people": 3}, True)
    assert judgement.repairs == ("removed text before the JSON",)


@pytest.mark.parametrize("text", ["", "no", "{}", '{"time": "y"}', "\x00\x1b[2J", "{" * 9999, "\ud800", "::error::x"])
def test_a_bad_answer_fails_whatever_it_holds(text: str) -> None:
    assert judged(text, case({"time": "x"})).outcome == "fail"


def test_an_error_beats_a_failure() -> None:
    judgement = judged('{"time": "y"}', case({"time": "x"}), ["matches", {"python": "checks.py:f"}])
    assert [check.status for check in judgement.checks] == ["fail", "error"]
    assert judgement.outcome == "error"


def test_a_case_with_nothing_to_check_is_an_error_and_never_green() -> None:
    judgement = judged("anything", case(has=False), None, TEXT)
    assert judgement.outcome == "error"
    assert judgement.checks[0].message == NOTHING
    assert judgement.valid is None


def test_a_contract_that_raises_is_an_error_even_where_no_check_asks_for_it() -> None:
    class Raises(BaseModel):
        time: str

        def __init__(self, **data: Any) -> None:
            super().__init__(**data)

        def model_post_init(self, context: Any, /) -> None:
            raise RuntimeError("boom")

    judgement = judged('{"time": "x"}', case(has=False), [{"contains": "x"}], PydanticContract(Raises))
    assert judgement.outcome == "error"
    assert [(check.label, check.status) for check in judgement.checks] == [("contains", "pass"), ("schema", "error")]
    assert "boom" in judgement.checks[1].traceback


def test_judging_is_deterministic() -> None:
    specs: tuple[CheckSpec, ...] = parse_checks(
        ["schema", "matches", {"regex": r"\d"}, {"not": {"contains": "sorry"}}], path="p"
    )
    the_case = case({"time": "14:30"})
    sample = Sample(KEY, "sha256:0", Reply('{"time": "14:30", "people": 2}'))
    first = judge(sample, the_case, BOOKING, specs, _resolve)
    assert first.outcome == "pass"
    assert all(judge(sample, the_case, BOOKING, specs, _resolve) == first for _ in range(100))


def test_judging_imports_nothing_heavy_before_it_is_needed() -> None:
    code = (
        "import sys, promptops.core.judge, promptops.core.standing, promptops.core.cases\n"
        "heavy = {'deepdiff', 'jsonschema', 'json_repair', 'regex', 'httpx', 'git'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
