"""Every check on outputs that satisfy it and outputs that do not, each way round."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from promptops.core.checks import CheckContext, parse_checks, run_check
from promptops.core.contract import Contract, JsonSchemaContract, TextContract
from promptops.errors import UserCodeError
from promptops.models import Case, CheckResult, Difference, Reply, Usage

TEXT = TextContract()
OBJECT = JsonSchemaContract({"type": "object", "properties": {"time": {"type": "string"}}})
NOTHING = object()


def _no_python(reference: str) -> Callable[..., Any]:
    raise UserCodeError(reference, "there is no file", detail="Traceback …")


def check(
    item: Any,
    text: str = "",
    *,
    contract: Contract = TEXT,
    expected: Any = NOTHING,
    cost: float | None = None,
    python: Callable[[str], Callable[..., Any]] = _no_python,
    **reply: Any,
) -> CheckResult:
    (spec,) = parse_checks([item], path="prompt.yaml")
    case = Case("c1", {"text": "hi"}) if expected is NOTHING else Case("c1", {"text": "hi"}, expected, True)
    context = CheckContext(
        case, Reply(text, **reply), cost, contract.parse(text), python, has_contract=contract.schema is not None
    )
    return run_check(spec, context)


HELD: list[tuple[Any, str, dict[str, Any]]] = [
    ("schema", '{"time": "x"}', {"contract": OBJECT}),
    ("schema", 'Well: {"time": "x"}', {"contract": OBJECT}),
    ({"schema": {"strict": True}}, '{"time": "x"}', {"contract": OBJECT}),
    ("matches", '{"time": "x", "more": 1}', {"contract": OBJECT, "expected": {"time": "x"}}),
    ("equals", '{"time": "x"}', {"contract": OBJECT, "expected": {"time": "x"}}),
    ("matches", " positive\n", {"expected": "positive"}),
    ("equals", "positive", {"expected": "positive"}),
    ("matches", "42", {"expected": 42}),
    ("matches", "true", {"expected": True}),
    ({"matches": {"ignore_case": True}}, "Positive", {"expected": "positive"}),
    ({"equals": "yes"}, "yes", {"expected": "no"}),
    ({"matches": {"value": {"a": [2, 1]}, "ignore_order": True}}, '{"a": [1, 2]}', {"contract": OBJECT}),
    ({"contains": "fun"}, "a refund", {}),
    ({"contains": {"any": ["x", "fun"]}}, "a refund", {}),
    ({"contains": {"all": ["re", "fun"]}}, "a refund", {}),
    ({"icontains": "REF"}, "a refund", {}),
    ({"icontains": "strasse"}, "Straße", {}),
    ({"starts_with": "Dear"}, "\n Dear you", {}),
    ({"regex": r"^\d{2}:\d{2}$"}, "14:30", {}),
    ({"regex": "(?i)YES"}, "oh yes", {}),
    ({"finish_reason": "stop"}, "", {"finish_reason": "stop"}),
    ({"finish_reason": {"any": ["length", "stop"]}}, "", {"finish_reason": "stop"}),
    ({"json_path": {"path": "$.a[0].b", "equals": 1}}, '{"a": [{"b": 1.0}]}', {}),
    ({"json_path": {"path": "$.a"}}, 'Sure: {"a": null}', {}),
    ({"json_path": {"path": "$.a", "exists": False}}, "{}", {"contract": OBJECT}),
    ({"json_path": {"path": "$.a[*]", "min": 1, "max": 3}}, '{"a": [1, 2, 3]}', {}),
    ({"json_path": {"path": "$.a", "contains": "x"}}, '{"a": ["x", "y"]}', {}),
    ({"json_path": {"path": "$.a", "contains": "x", "starts_with": "a", "regex": "z$"}}, '{"a": "axyz"}', {}),
    ({"max_latency": "2s"}, "", {"latency": 2.0}),
    ({"max_latency": "800ms"}, "", {"latency": 0.8}),
    ({"max_cost": 0.05}, "", {"cost": 0.05}),
    ({"max_cost": 0}, "", {"cost": 0.0}),
    ({"max_tokens": 10}, "", {"usage": Usage(99, 10)}),
    ({"python": "checks.py:f"}, "", {"python": lambda _: lambda output, case: True}),
    ({"python": "checks.py:f"}, "", {"python": lambda _: lambda output, case: None}),
    ({"python": "checks.py:f"}, "", {"python": lambda _: lambda output, case: CheckResult("x", "pass")}),
]

NOT_HELD: list[tuple[Any, str, dict[str, Any], str]] = [
    ("schema", "no", {"contract": OBJECT}, "there is no JSON object in the output"),
    ("schema", '{"time": 3}', {"contract": OBJECT}, "time: 3 is not of type 'string'"),
    (
        {"schema": {"strict": True}},
        'Well: {"time": "x"}',
        {"contract": OBJECT},
        "had to be repaired: removed text before the JSON",
    ),
    ("matches", '{"time": "y"}', {"contract": OBJECT, "expected": {"time": "x"}}, "1 difference"),
    ("equals", '{"time": "x", "m": 1}', {"contract": OBJECT, "expected": {"time": "x"}}, "1 difference"),
    ("matches", "Positive", {"expected": "positive"}, "1 difference"),
    ("equals", "positive\n", {"expected": "positive"}, "1 difference"),
    ({"contains": "x"}, "a refund", {}, "the output does not contain 'x'"),
    ({"contains": {"any": ["x", "y"]}}, "a", {}, "the output does not contain 'x', 'y'"),
    ({"contains": {"all": ["a", "y"]}}, "a", {}, "the output does not contain 'y'"),
    ({"contains": "REF"}, "a refund", {}, "the output does not contain 'REF'"),
    ({"starts_with": "you"}, "Dear you", {}, "the output does not start with 'you'"),
    ({"regex": r"^\d+$"}, "x1", {}, "the output does not match '^\\\\d+$'"),
    ({"finish_reason": "stop"}, "", {"finish_reason": "length"}, "the finish reason is not 'stop'"),
    ({"json_path": {"path": "$.a", "equals": 1}}, '{"a": true}', {}, "$.a: is true, not 1"),
    ({"json_path": {"path": "$.a"}}, "{}", {}, "nothing stands at $.a"),
    ({"json_path": {"path": "$.a", "exists": False}}, '{"a": 0}', {}, "$.a is there"),
    ({"json_path": {"path": "$.a[*]", "max": 2}}, '{"a": [1, 5]}', {}, "$.a[*]: 5 is more than 2"),
    ({"json_path": {"path": "$.a", "min": 2}}, '{"a": 1}', {}, "$.a: 1 is less than 2"),
    ({"json_path": {"path": "$.a", "min": 2}}, '{"a": true}', {}, "$.a: true is not a number"),
    ({"json_path": {"path": "$.a", "regex": "x"}}, '{"a": 1}', {}, "$.a: 1 is not text"),
    ({"json_path": {"path": "$.a", "contains": "z"}}, '{"a": ["x"]}', {}, "$.a: [\"x\"] does not contain 'z'"),
    ({"max_latency": "800ms"}, "", {"latency": 0.9}, "latency 900 ms, over 800 ms"),
    ({"max_cost": 0.05}, "", {"cost": 0.051}, "cost $0.051, over $0.05"),
    ({"max_tokens": 10}, "", {"usage": Usage(1, 11)}, "output tokens 11, over 10"),
    ({"python": "checks.py:f"}, "", {"python": lambda _: lambda output, case: False}, "checks.py:f returned False"),
    ({"python": "checks.py:f"}, "", {"python": lambda _: lambda output, case: "too rude"}, "too rude"),
]


@pytest.mark.parametrize(("item", "text", "more"), HELD, ids=[str(row[0])[:50] for row in HELD])
def test_a_check_that_holds_passes_and_its_not_fails(item: Any, text: str, more: dict[str, Any]) -> None:
    assert check(item, text, **more).status == "pass"
    inverted = check({"not": item}, text, **more)
    assert inverted.status == "fail"
    assert inverted.label.startswith("not ")
    assert inverted.message.endswith("and should not")


@pytest.mark.parametrize(("item", "text", "more", "message"), NOT_HELD, ids=[str(row[0])[:50] for row in NOT_HELD])
def test_a_check_that_does_not_hold_fails_and_its_not_passes(
    item: Any, text: str, more: dict[str, Any], message: str
) -> None:
    result = check(item, text, **more)
    assert (result.status, result.message) == ("fail", message)
    assert check({"not": item}, text, **more).status == "pass"


def _raises(output: Any, case: Case) -> bool:
    raise KeyError("time")


def _exits(output: Any, case: Case) -> bool:
    raise SystemExit(0)


def _fails_pytest(output: Any, case: Case) -> bool:
    pytest.fail("from within")


async def _coroutine(output: Any, case: Case) -> bool:
    return True


ERRORS: list[tuple[Any, str, dict[str, Any], str]] = [
    ("schema", "x", {}, "the prompt has no output contract"),
    ("matches", "x", {}, "the case has no `expected`"),
    ("equals", "x", {}, "the case has no `expected`"),
    ("matches", "x", {"expected": {"a": 1}}, "expected is a mapping, but the output is plain text"),
    ({"max_cost": 1}, "", {"cost": None}, "the cost is unknown"),
    ({"max_tokens": 1}, "", {}, "the provider did not count the output tokens"),
    ({"finish_reason": "stop"}, "", {}, "the provider did not say why the output ended"),
    ({"regex": "^(a|aa)+$"}, "a" * 100 + "b", {}, "took longer than 1 s on this output"),
    ({"python": "checks.py:f"}, "", {}, "checks.py:f: there is no file"),
    ({"python": "checks.py:f"}, "", {"python": lambda _: _raises}, "checks.py:f raised KeyError: 'time'"),
    ({"python": "checks.py:f"}, "", {"python": lambda _: _exits}, "checks.py:f raised SystemExit: 0"),
    ({"python": "checks.py:f"}, "", {"python": lambda _: _fails_pytest}, "Failed: from within"),
    ({"python": "checks.py:f"}, "", {"python": lambda _: _coroutine}, "checks.py:f is async"),
    ({"python": "checks.py:f"}, "", {"python": lambda _: lambda output, case: 1}, "checks.py:f returned 'int'"),
    ({"python": "checks.py:f"}, "", {"python": lambda _: lambda output, case: ""}, "checks.py:f returned 'str'"),
    ({"python": "checks.py:f"}, "", {"python": lambda _: lambda output: True}, "checks.py:f raised TypeError"),
    (
        {"python": "checks.py:f"},
        "",
        {"python": lambda _: lambda output, case: CheckResult("x", "error", "no data")},
        "no data",
    ),
]


@pytest.mark.parametrize("wrap", [False, True], ids=["plain", "not"])
@pytest.mark.parametrize(("item", "text", "more", "message"), ERRORS, ids=[row[3][:40] for row in ERRORS])
def test_a_check_that_cannot_be_made_is_an_error_also_under_not(
    item: Any, text: str, more: dict[str, Any], message: str, wrap: bool
) -> None:
    result = check({"not": item} if wrap else item, text, **more)
    assert result.status == "error"
    assert message in result.message


def test_the_traceback_of_a_check_shows_the_users_frames_only() -> None:
    result = check({"python": "checks.py:f"}, "", python=lambda _: _raises)
    assert 'raise KeyError("time")' in result.traceback
    assert "user_calls.py" not in result.traceback
    assert result.traceback.endswith("KeyError: 'time'")


@pytest.mark.parametrize("wrap", [False, True], ids=["plain", "not"])
@pytest.mark.parametrize(
    "item",
    ["matches", "equals", {"python": "checks.py:f"}, {"json_path": {"path": "$.a"}}],
    ids=str,
)
def test_what_cannot_be_asked_of_an_invalid_output_fails_either_way(item: Any, wrap: bool) -> None:
    result = check({"not": item} if wrap else item, "nothing", contract=OBJECT, expected={}, python=lambda _: _raises)
    assert result.status == "fail"
    assert "invalid" in result.message or "there is no JSON object" in result.message


def test_differences_come_with_the_result_and_are_bounded() -> None:
    contract = JsonSchemaContract({"type": "array"})
    result = check("equals", str(list(range(500))), contract=contract, expected=[n + 1000 for n in range(500)])
    assert result.message == "500 differences"
    assert len(result.differences) == 100
    assert result.differences[0] == Difference("root[0]", "values_changed", 1000, 0)


def test_a_python_check_gets_the_normalised_output_and_the_case() -> None:
    seen: list[Any] = []

    def keep(output: Any, case: Case) -> bool:
        seen.extend([output, case.id])
        return True

    check({"python": "checks.py:f"}, 'so {"time": "x"}', contract=OBJECT, python=lambda _: keep)
    check({"python": "checks.py:f"}, "plain", python=lambda _: keep)
    assert seen == [{"time": "x"}, "c1", "plain", "c1"]


def test_what_a_python_check_prints_does_not_reach_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    check({"python": "checks.py:f"}, "", python=lambda _: lambda output, case: print("hello"))  # noqa: T201
    assert capsys.readouterr() == ("", "hello\n")


def test_interrupting_a_check_interrupts_the_session() -> None:
    def interrupt(output: Any, case: Case) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check({"python": "checks.py:f"}, "", python=lambda _: interrupt)


def test_a_regex_on_hostile_output_ends() -> None:
    result = check({"regex": "(.*?,){25}P"}, "1," * 5_000)
    assert result.status in ("fail", "error")
