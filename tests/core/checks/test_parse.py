"""Checks as written: what is taken, and what is told about what is not."""

from __future__ import annotations

from typing import Any

import pytest

from promptops.core.checks import CHECKS, parse_checks
from promptops.errors import ProblemsError
from promptops.models import CheckSpec

VALID: list[Any] = [
    "schema",
    {"schema": {"strict": True}},
    "matches",
    {
        "matches": {
            "ignore_order": True,
            "significant_digits": 3,
            "exclude_paths": ["root['note']", "x", "root[*]['a']"],
        }
    },
    {"matches": {"value": {"a": 1}, "ignore_case": True}},
    "equals",
    {"equals": "positive"},
    {"equals": 4},
    {"equals": [1, 2]},
    {"contains": "refund"},
    {"contains": {"any": ["a", "b"]}},
    {"icontains": {"all": ["a", "b"]}},
    {"starts_with": "Dear"},
    {"regex": r"^\d+$"},
    {"regex": {"any": ["a", "(?i)b"]}},
    {"finish_reason": "stop"},
    {"finish_reason": {"any": ["stop", "tool_calls"]}},
    {"json_path": {"path": "$.items[0].name", "equals": "x"}},
    {"json_path": {"path": "$.a", "exists": False}},
    {"json_path": {"path": "$.a", "min": 0, "max": 1.5}},
    {"max_latency": "2s"},
    {"max_latency": "800ms"},
    {"max_latency": 1.5},
    {"max_cost": 0.05},
    {"max_cost": 0},
    {"max_tokens": 100},
    {"python": "checks.py:polite"},
    {"python": "lib/my-checks.py:polite"},
    {"not": "schema"},
    {"not": {"contains": "sorry"}},
]


@pytest.mark.parametrize("item", VALID, ids=str)
def test_a_check_is_taken_as_written(item: Any) -> None:
    (spec,) = parse_checks([item], path="prompt.yaml")
    assert spec.name in CHECKS


def test_a_check_keeps_its_options_its_line_and_its_not() -> None:
    specs = parse_checks(
        ["schema", {"not": {"contains": "sorry"}}],
        path="prompt.yaml",
        lines={("checks",): 4, ("checks", 0): 5, ("checks", 1): 6},
    )
    assert specs == (CheckSpec("schema", None, False, 5), CheckSpec("contains", "sorry", True, 6))
    assert [spec.label for spec in specs] == ["schema", "not contains"]


def test_no_checks_are_none() -> None:
    assert parse_checks(None, path="p") == parse_checks([], path="p") == ()


INVALID: list[tuple[Any, str]] = [
    ("shema", "unknown check 'shema', did you mean 'schema'?"),
    ({"contain": "x"}, "unknown check 'contain', did you mean 'contains'?"),
    ("", "unknown check ''"),
    (3, "3 is not a check"),
    (None, "None is not a check"),
    ([], "[] is not a check"),
    ({}, "{} is not a check"),
    ({"contains": "a", "regex": "b"}, "a check is one key, not 2 ('contains', 'regex')"),
    ({"schema": True}, "schema: takes no value, or {strict: true}"),
    ({"schema": {"strict": "yes"}}, "schema: strict is true or false"),
    ({"schema": {"strikt": True}}, "schema: unknown option 'strikt', did you mean 'strict'?; known: strict"),
    ({"matches": {"ignore_ordr": True}}, "matches: unknown option 'ignore_ordr', did you mean 'ignore_order'?"),
    ({"matches": {"ignore_order": 1}}, "matches: ignore_order is true or false"),
    ({"matches": {"significant_digits": 1.5}}, "matches: significant_digits is a whole number from 0 to 15"),
    ({"matches": {"significant_digits": -1}}, "matches: significant_digits is a whole number from 0 to 15"),
    ({"matches": {"significant_digits": True}}, "matches: significant_digits is a whole number from 0 to 15"),
    ({"equals": {"exclude_paths": "root"}}, "equals: exclude_paths is a list of paths"),
    ({"equals": {"exclude_paths": ["root.a["]}}, 'equals: exclude_paths: "root.a[" is not a path'),
    ("contains", "contains: takes a text, {any: [text, …]} or {all: [text, …]}"),
    ({"contains": 5}, "contains: takes a text, {any: [text, …]} or {all: [text, …]}; 5 is not text: put it in quotes"),
    ({"contains": ""}, "contains: an empty text is in every output"),
    ({"contains": {"any": []}}, "the list needs at least one text"),
    ({"contains": {"any": ["a"], "all": ["b"]}}, "contains: takes a text"),
    ({"contains": {"some": ["a"]}}, "contains: takes a text"),
    ({"icontains": ["a"]}, "['a'] is not text"),
    ({"regex": "("}, "regex: '(' is not a regular expression"),
    ({"regex": {"any": ["a", "[b"]}}, "regex: '[b' is not a regular expression"),
    ({"regex": "x" * 20_000}, "the pattern has 20,000 characters"),
    ({"json_path": "$.a"}, 'json_path: takes {path: "$.items[0].name", equals: …}'),
    ({"json_path": {"equals": 1}}, "json_path: takes {path:"),
    ({"json_path": {"path": "a"}}, "json_path: 'a' is not a path"),
    ({"json_path": {"path": "$.a", "equal": 1}}, "json_path: unknown option 'equal', did you mean 'equals'?"),
    ({"json_path": {"path": "$.a", "regex": "("}}, "json_path: regex: '(' is not a regular expression"),
    ({"json_path": {"path": "$.a", "min": "1"}}, "json_path: min: is a number"),
    ({"json_path": {"path": "$.a", "exists": "no"}}, "json_path: exists: is true or false"),
    ({"json_path": {"path": "$.a", "exists": False, "min": 1}}, "json_path: exists: false leaves nothing"),
    ("max_latency", "max_latency: takes a duration such as 2s or 800ms, or seconds"),
    ({"max_latency": "fast"}, "max_latency: takes a duration"),
    ({"max_latency": 0}, "max_latency: takes a duration"),
    ({"max_latency": True}, "max_latency: takes a duration"),
    ({"max_cost": "0.05"}, "max_cost: takes US dollars"),
    ({"max_cost": -1}, "max_cost: takes US dollars"),
    ({"max_cost": float("nan")}, "max_cost: takes US dollars"),
    ({"max_tokens": 1.5}, "max_tokens: takes a whole number"),
    ({"max_tokens": 0}, "max_tokens: takes a whole number"),
    ({"finish_reason": ["stop"]}, "finish_reason: takes a text"),
    ({"python": "checks.py"}, "python: takes a file and a function, such as checks.py:polite"),
    ({"python": "checks:polite"}, "python: takes a file and a function"),
    ({"python": {"call": "x"}}, "python: takes a file and a function"),
    ("not", "`not` needs a check"),
    ({"not": None}, "`not` needs a check"),
    ({"not": "shema"}, "unknown check 'shema', did you mean 'schema'?"),
    ({"not": {"not": "schema"}}, "`not` inside `not`"),
    ({"not": {"contains": ""}}, "contains: an empty text is in every output"),
    ({"equals": [float("inf")]}, "equals: a number is not finite"),
]


@pytest.mark.parametrize(("item", "words"), INVALID, ids=[str(item)[:40] for item, _ in INVALID])
def test_what_is_no_check_is_told_with_its_line(item: Any, words: str) -> None:
    with pytest.raises(ProblemsError) as caught:
        parse_checks([item], path="prompt.yaml", lines={("checks", 0): 7})
    assert words.replace('"root.a["', "'root.a['") in str(caught.value)
    assert str(caught.value).startswith("prompt.yaml:7: ")


def test_all_problems_come_at_once() -> None:
    with pytest.raises(ProblemsError) as caught:
        parse_checks([item for item, _ in INVALID], path="prompt.yaml", lines={("checks", n): n for n in range(99)})
    assert {problem.line for problem in caught.value.problems} == set(range(len(INVALID)))


@pytest.mark.parametrize("raw", ["schema", {"schema": None}, 3, ["schema"] * 201])
def test_checks_are_a_list_of_bounded_length(raw: Any) -> None:
    with pytest.raises(ProblemsError, match="checks"):
        parse_checks(raw, path="prompt.yaml", line=3)
