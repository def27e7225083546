"""Inputs are declared by type names or JSON Schemas; values are checked, defaults filled in."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from promptops.core.inputs import check_inputs, infer_inputs, parse_inputs, schema_problem, value_problem, with_defaults
from promptops.core.strict_yaml import parse_yaml
from promptops.errors import ProblemsError


def test_a_type_name_is_a_schema_and_any_is_everything() -> None:
    assert parse_inputs({"a": "string", "b": "any", "c": {"type": "integer", "default": 3}}) == {
        "a": {"type": "string"},
        "b": {},
        "c": {"type": "integer", "default": 3},
    }
    assert parse_inputs(None) == {}


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ("strng", "unknown type 'strng', did you mean 'string'?"),
        ("text", "unknown type 'text', did you mean 'string'?"),
        ("list", "unknown type 'list', did you mean 'array'?"),
        ("", "unknown type ''"),
        ({"type": "strng"}, "is not a JSON Schema"),
        ({"type": 3}, "is not a JSON Schema"),
        ({"minimum": "a"}, "is not a JSON Schema"),
        ({"type": "integer", "default": "x"}, 'the default must be a whole number, not "x"'),
        ({"enum": ["a"], "default": "b"}, "the default 'b' is not one of"),
        ({"$ref": "https://example.com/s.json"}, "leaves the schema"),
        ({"items": [{"$ref": "file:///etc/passwd"}]}, "leaves the schema"),
        ({"$ref": "#/$defs/nowhere"}, "does not resolve inside the schema"),
        ({"$dynamicRef": "#nowhere"}, "does not resolve inside the schema"),
        ({"pattern": "("}, "is not a JSON Schema"),
    ],
)
def test_a_wrong_declaration_is_a_problem_with_its_line(declared: Any, words: str) -> None:
    document = parse_yaml("x: 1\ninputs:\n  a: string\n  b: any\n", path="prompt.yaml")
    with pytest.raises(ProblemsError) as caught:
        parse_inputs({"b": declared}, document=document)
    (problem,) = caught.value.problems
    assert words in problem.message
    assert (problem.path, problem.line) == ("prompt.yaml", 4)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"allOf": [{"$ref": "#"}]}, "refers to itself without end"),
        ({"type": "nope"}, "cannot be checked: is not a JSON Schema"),
        ({"$ref": "#/nowhere"}, "cannot be checked: $ref '#/nowhere' does not resolve"),
        ({"pattern": "(a|a)*$"}, "cannot be checked: '(a|a)*$' took longer"),
    ],
)
def test_a_schema_that_cannot_be_applied_is_a_problem_of_the_value(schema: dict[str, Any], words: str) -> None:
    (message,) = check_inputs({"text": schema}, {"text": "a" * 40 + "b"})
    assert words in message


@pytest.mark.parametrize("name", ["_x", "a b", "1a", "", "a-b"])
def test_an_input_has_a_name_that_templates_can_write(name: str) -> None:
    with pytest.raises(ProblemsError, match="is no name for an input"):
        parse_inputs({name: "string"})


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("string", ["", "x"], [1, None, ["x"], True]),
        ("integer", [0, -1, 2.0], [1.5, "1", True, None]),
        ("number", [0, 1.5], ["1", True, None]),
        ("boolean", [True, False], [0, 1, "true", None]),
        ("array", [[], [1]], ["x", {}, None]),
        ("object", [{}, {"a": 1}], [[], "x", None]),
        ("null", [None], [0, "", False]),
    ],
)
def test_types_are_those_of_json_schema(kind: str, good: list[Any], bad: list[Any]) -> None:
    assert [value_problem({"type": kind}, value) for value in good] == [None] * len(good)
    assert all((value_problem({"type": kind}, value) or "").startswith("must be ") for value in bad)
    validator = {"type": kind, "not": {"const": "never"}}  # makes jsonschema decide: both must agree
    assert [value_problem(validator, value) for value in good] == [None] * len(good)
    assert all(value_problem(validator, value) for value in bad)


def test_missing_mistyped_and_unknown_inputs_are_told_together() -> None:
    schemas: dict[str, dict[str, Any]] = {
        "text": {"type": "string"},
        "n": {"type": "integer", "default": 1},
        "when": {"type": "string"},
    }
    assert check_inputs(schemas, {"txt": 1, "text": 3, "n": "x"}) == [
        "input 'text' must be a string, not 3",
        "input 'n' must be a whole number, not \"x\"",
        "input 'when' is missing",
        "unknown input 'txt', did you mean 'text'? (known: n, text, when)",
    ]
    assert check_inputs(schemas, {"text": "", "when": "", "other": 1}, unknown=False) == []


def test_a_schema_says_where_inside_a_value_it_is_broken() -> None:
    schema = {"type": "array", "items": {"type": "object", "required": ["role"]}}
    assert value_problem(schema, [{"role": 1}, {}]) == "'role' is a required property (at [1])"


def test_defaults_are_filled_in_and_what_is_unknown_is_left_out() -> None:
    assert with_defaults({"a": {"default": 1}, "b": {}, "c": {}}, {"b": 2, "z": 3}) == {"a": 1, "b": 2}


def test_inferred_inputs_take_anything_and_are_required() -> None:
    schemas = infer_inputs(frozenset({"b", "a"}))
    assert list(schemas.items()) == [("a", {}), ("b", {})]
    assert check_inputs(schemas, {"a": [None]}) == ["input 'b' is missing"]


def test_a_schema_nested_without_end_is_a_problem() -> None:
    schema: dict[str, Any] = {}
    for _ in range(3000):
        schema = {"not": schema}
    assert schema_problem(schema) == "is nested too deeply"


def test_plain_types_need_no_validator_library() -> None:
    code = (
        "import sys\nfrom promptops.core.inputs import *\n"
        "check_inputs(parse_inputs({'a': 'string', 'b': {'type': 'array', 'default': []}}), {'a': 'x'})\n"
        "assert 'jsonschema' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
