"""Plans: lazy, in a reproducible order, both sides next to each other."""

from __future__ import annotations

import itertools

import pytest

from promptops.core.plan import case_order, in_order, interleave, plan_samples
from promptops.formats import Closure
from promptops.models import Case, Pin, PlannedSample, Sample


def closure(version: str = "v1", template: str = "Say {{ text }}") -> Closure:
    return Closure(
        prompt="greet", version=version, model="test/model-1", template=template, inputs={"text": {"type": "string"}}
    )


def cases(count: int) -> list[Case]:
    return [Case(f"c{number}", {"text": str(number)}) for number in range(count)]


def test_a_plan_is_case_by_case_with_equal_requests_for_the_samples_of_one() -> None:
    plan = [
        item for item in plan_samples(closure(), cases(2), samples=2, released=True) if isinstance(item, PlannedSample)
    ]
    assert [(item.key.case, item.key.index) for item in plan] == [("c0", 0), ("c0", 1), ("c1", 0), ("c1", 1)]
    assert plan[0].digest == plan[1].digest != plan[2].digest
    assert all(item.released for item in plan)
    assert plan[0].request.messages[0].content == "Say 0"


def test_a_plan_renders_nothing_before_it_is_asked_for() -> None:
    endless = (Case(f"c{number}", {"text": str(number)}) for number in itertools.count())
    assert len(list(itertools.islice(plan_samples(closure(), endless), 5))) == 5


def test_another_pin_is_another_request() -> None:
    (own,) = plan_samples(closure(), cases(1))
    (other,) = plan_samples(closure(), cases(1), pin=Pin("test", "model-2"))
    assert isinstance(own, PlannedSample)
    assert isinstance(other, PlannedSample)
    assert (own.key.pin, other.key.pin) == ("test/model-1", "test/model-2")
    assert own.digest != other.digest


def test_a_case_that_cannot_be_rendered_is_a_failure_of_its_own() -> None:
    broken = [*cases(1), Case("bad", {"text": 5}), *cases(1)]
    kinds = [
        item.failure.kind if isinstance(item, Sample) and item.failure else ""
        for item in plan_samples(closure(), broken)
    ]
    assert kinds == ["", "template", ""]


def test_the_order_is_the_seeds_and_the_same_everywhere() -> None:
    assert case_order(["a", "b", "c", "d", "e"], 7) == case_order(["e", "d", "c", "b", "a"], 7)
    assert case_order(["a", "b", "c", "d", "e"], 7) == ["c", "e", "a", "d", "b"]
    assert len({tuple(case_order("abcde", seed)) for seed in range(50)}) > 30
    assert [case.id for case in in_order(cases(3), 1)] == case_order(["c0", "c1", "c2"], 1)


def test_sides_take_turns_and_the_seed_says_who_begins() -> None:
    def versions(seed: int) -> list[str]:
        plan = interleave(plan_samples(closure("v1"), cases(3)), plan_samples(closure("v2"), cases(3)), seed)
        return [item.key.version for item in plan]

    assert versions(0) == ["v1", "v2", "v2", "v1", "v1", "v2"]
    assert versions(1) == ["v2", "v1", "v1", "v2", "v2", "v1"]


def test_plans_of_different_cases_are_no_pairs() -> None:
    with pytest.raises(ValueError, match="differ"):
        list(interleave(plan_samples(closure(), cases(2)), plan_samples(closure("v2"), cases(2)[::-1]), 0))
