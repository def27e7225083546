"""What a judge is asked, and how its answers are read."""

from __future__ import annotations

import re
from typing import Any

import pytest

from promptops.core.checks import parse_checks
from promptops.core.judging import Asked, Judge, grade_of, judges_named, judging_keys, parse_asked, plan_judging
from promptops.errors import ProblemsError
from promptops.formats import Closure
from promptops.models import Case, CheckSpec, PlannedSample, Reply, Sample, SampleKey

KEY = SampleKey("greet", "v2", "test/model-1", "c1", 3)


def judge(template: str, pin: str = "test/judge-1") -> Judge:
    inputs: dict[str, dict[str, Any]] = {
        name: {} for name in ("inputs", "expected", "output", "first", "second", "rubric")
    }
    used = {name: schema for name, schema in inputs.items() if name in template}
    closure = Closure(prompt="polite", version="v1", model=pin, template=template, inputs=used)
    return Judge(closure, "sha256:" + "0" * 64)


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ("polite", Asked("polite")),
        ("polite@v2", Asked("polite", "v2")),
        ({"prompt": "polite@v2", "threshold": 1}, Asked("polite", "v2", 1.0)),
        ({"prompt": "polite", "against": "expected"}, Asked("polite", compares=True)),
    ],
)
def test_a_judge_is_named_by_its_prompt(options: Any, asked: Asked) -> None:
    assert parse_asked(options) == asked
    assert judges_named([CheckSpec("judge", options), CheckSpec("schema"), CheckSpec("judge", options)]) == (asked,)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (None, "names a prompt"),
        ("Polite", "names a prompt"),
        ("polite@latest", "names a prompt"),
        ("../polite", "names a prompt"),
        ({"threshold": 0.5}, "names a prompt"),
        ({"prompt": "polite", "threshold": 0}, "threshold is a number above 0"),
        ({"prompt": "polite", "threshold": True}, "threshold is a number above 0"),
        ({"prompt": "polite", "against": "baseline"}, "against: expected"),
        ({"prompt": "polite", "treshold": 0.5}, "did you mean 'threshold'?"),
    ],
)
def test_what_is_wrong_with_the_options_is_told(options: Any, told: str) -> None:
    with pytest.raises(ProblemsError, match=re.escape(told)):
        parse_checks([{"judge": options}], path="prompt.yaml")


def test_one_output_is_graded_with_the_inputs_and_what_was_expected() -> None:
    case = Case("c1", {"text": "hi"}, {"a": 1}, has_expected=True)
    asked = Asked("polite")
    template = "{% user %}{{ inputs.text }} {{ expected }} {{ output }}{% enduser %}"
    (planned,) = plan_judging(judge(template), asked, Sample(KEY, "", Reply("<{{x}}>")), case)
    assert isinstance(planned, PlannedSample)
    assert [message.content for message in planned.request.messages] == ['hi {"a": 1} <{{x}}>']
    assert planned.key.version.startswith("v2.polite.v1.")
    assert (planned.key.prompt, planned.key.pin, planned.key.index) == ("greet", "test/judge-1", 3)


def test_two_outputs_are_shown_in_both_orders() -> None:
    case = Case("c1", {}, "theirs", has_expected=True)
    template = "{% user %}{{ first }} or {{ second }}{% enduser %}"
    planned = plan_judging(judge(template), Asked("polite", compares=True), Sample(KEY, "", Reply("ours")), case)
    assert all(isinstance(each, PlannedSample) for each in planned)
    texts = [each.request.messages[0].content for each in planned if isinstance(each, PlannedSample)]
    assert texts == ["ours or theirs", "theirs or ours"]
    assert [each.key.index for each in planned] == [6, 7]


def test_a_template_that_cannot_be_rendered_is_a_failure_of_that_sample() -> None:
    (failed,) = plan_judging(judge("{{ rubric }}"), Asked("polite"), Sample(KEY, "", Reply("x")), Case("c1", {}))
    assert isinstance(failed, Sample)
    assert failed.failure is not None
    assert failed.failure.kind == "template"


def test_answers_about_other_pins_and_kinds_of_question_are_kept_apart() -> None:
    one = judge("{{ output }}")
    other = SampleKey("greet", "v2", "test/other", "c1", 3)
    versions = {
        judging_keys(one, Asked("polite"), KEY)[0].version,
        judging_keys(one, Asked("polite"), other)[0].version,
        judging_keys(one, Asked("polite", compares=True), KEY)[0].version,
    }
    assert len(versions) == 3


@pytest.mark.parametrize(
    ("answers", "score", "flipped"),
    [
        (("first", "second"), 1.0, False),
        (("second", "first"), 0.0, False),
        (("tie", "tie"), 0.5, False),
        (("first", "first"), 0.5, True),
        (("second", "second"), 0.5, True),
        (("first", "tie"), 0.5, True),
    ],
)
def test_a_disagreement_of_the_two_orders_is_a_tie(answers: tuple[str, str], score: float, flipped: bool) -> None:
    texts = [f'{{"winner": "{side}", "reason": "r"}}' for side in answers]
    grade = grade_of(Asked("polite", compares=True), texts)
    assert (grade.score, grade.flipped, grade.passed) == (score, flipped, score >= 0.5)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pass",
        "null",
        "[]",
        '{"pass": true}',
        '{"pass": 1, "reason": "r"}',
        '{"pass": "true", "reason": "r"}',
        '{"pass": true, "score": 1, "reason": "r"}',
        '{"pass": true, "reason": ""}',
        '{"pass": true, "reason": 1}',
        '{"pass": true, "reason": "r", "confidence": 1}',
        '{"score": NaN, "reason": "r"}',
        '{"score": true, "reason": "r"}',
        '{"score": -0.1, "reason": "r"}',
        '{"score": 1e999, "reason": "r"}',
        '{"score": 0, "score": 1, "reason": "r"}',
        '{"pass": true, "reason": "r"} {"pass": false, "reason": "r"}',
        "[" * 5_000,
    ],
)
def test_an_answer_that_is_not_exactly_what_was_asked_for_is_no_verdict(text: str) -> None:
    with pytest.raises(ValueError, match=r"it has|it is|is true or|is a number|twice|not JSON|levels"):
        grade_of(Asked("polite"), [text])
