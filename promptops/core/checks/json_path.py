"""`json_path`: a test of one place in a JSON output, or of every place that `[*]` names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from promptops.core.checks import words
from promptops.core.checks.base import CheckContext, Finding, quoted, unknown_keys
from promptops.core.comparison import Comparison
from promptops.core.diff import compare
from promptops.core.json_text import find_json
from promptops.core.paths import find, parse_path
from promptops.core.shown import shown
from promptops.models import Difference, Json

_WORDS = {check.name: check for check in (words.CONTAINS, words.ICONTAINS, words.STARTS_WITH, words.REGEX)}
_BOUNDS = ("min", "max")
_TESTS = ("exists", "equals", *_WORDS, *_BOUNDS)


class JsonPathCheck:
    """`- json_path: {path: "$.items[0].name", equals: "x"}`: every test that is written must hold.

    Without a test the path must exist. With `[*]` the tests must hold at every place, and there must be one.
    """

    name = "json_path"

    def problems(self, options: Json) -> Iterator[str]:
        if not isinstance(options, dict) or not isinstance(options.get("path"), str):
            yield 'takes {path: "$.items[0].name", equals: …}; tests: ' + ", ".join(_TESTS)
            return
        yield from unknown_keys(options, ("path", *_TESTS))
        try:
            parse_path(str(options["path"]), "$")
        except ValueError as error:
            yield str(error)
        for key, value in options.items():
            yield from (f"{key}: {problem}" for problem in _test_problems(key, value))
        if options.get("exists") is False and len(options) > 2:
            yield "exists: false leaves nothing for another test"

    def run(self, options: Json, context: CheckContext) -> Finding:
        given: dict[str, Any] = dict(options) if isinstance(options, dict) else {}
        path = given.pop("path")
        if (problem := _no_json(context)) is not None:
            return Finding("cannot", f"cannot look at {path}: {problem}")
        values = find(_value(context), parse_path(path, "$"))
        if given.pop("exists", True) is False:
            return Finding("no", f"{path} is there") if values else Finding("yes", f"{path} is not there")
        if not values:
            return Finding("no", f"nothing stands at {path}")
        return _judge(path, values, given)


def _judge(path: str, values: list[Any], tests: dict[str, Any]) -> Finding:
    for value in values:
        for name, wanted in tests.items():
            message, differences = _fails(name, wanted, value)
            if message:
                return Finding("no", f"{path}: {message}", differences)
    return Finding(
        "yes", f"{path} is {shown(values[0])}" if len(values) == 1 else f"{path} holds at {len(values)} places"
    )


def _test_problems(key: str, value: Any) -> Iterator[str]:
    if key in _WORDS:
        yield from _WORDS[key].problems(value)
    elif key == "exists" and not isinstance(value, bool):
        yield "is true or false"
    elif key in _BOUNDS and (isinstance(value, bool) or not isinstance(value, int | float)):
        yield "is a number"


def _no_json(context: CheckContext) -> str | None:
    if context.has_contract:
        known = context.parsed.valid or context.parsed.value is not None
        return None if known else "; ".join(context.parsed.problems[:3]) or "the output is invalid"
    return find_json(context.reply.text).problem or None


def _value(context: CheckContext) -> Any:
    return context.parsed.value if context.has_contract else find_json(context.reply.text).value


def _fails(name: str, wanted: Any, value: Any) -> tuple[str, tuple[Difference, ...]]:
    """Why `value` does not satisfy one test; an empty text where it does."""
    if name == "equals":
        different = compare(wanted, value, Comparison())
        return (f"is {shown(value)}, not {shown(wanted)}" if different else ""), different
    if name in _BOUNDS:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"{shown(value)} is not a number", ()
        if name == "min":
            return (f"{shown(value)} is less than {wanted}" if value < wanted else ""), ()
        return (f"{shown(value)} is more than {wanted}" if value > wanted else ""), ()
    if name == "contains" and isinstance(value, list):
        return _list_contains(wanted, value), ()
    if not isinstance(value, str):
        return f"{shown(value)} is not text", ()
    mode, wanted_words = words.parse_words(wanted)
    finding = words.judge_words(_WORDS[name], mode, wanted_words, value)
    return ("" if finding.held == "yes" else f"{shown(value)}: {finding.message}"), ()


def _list_contains(wanted: Any, value: list[Any]) -> str:
    mode, wanted_words = words.parse_words(wanted)
    hits = [word in value for word in wanted_words]
    if any(hits) if mode == "any" else all(hits):
        return ""
    return f"{shown(value)} does not contain {', '.join(map(quoted, wanted_words))}"
