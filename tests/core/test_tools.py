"""Calls of tools are validated against the tools' own schemas."""

from __future__ import annotations

from typing import Any

import pytest

from promptops.core.contract import TextContract
from promptops.core.judge import judge
from promptops.core.tools import call_problems
from promptops.models import Case, CheckSpec, Reply, Sample, SampleKey
from tests.providers.oracles.oracle import TOOL

PLAIN = {"type": "function", "function": {"name": "list_tables"}}


def call(name: str, arguments: Any) -> dict[str, Any]:
    return {"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (call("book", '{"time": "19:00", "people": 2}'), []),
        (call("list_tables", ""), []),
        (call("list_tables", '{"anything": 1}'), []),
        (call("book", {"time": "19:00"}), []),
        (
            call("book", '{"people": "two"}'),
            ["'time' is a required property", "people: 'two' is not of type 'integer'"],
        ),
        (call("book", "[1]"), ["the arguments must be an object, not list"]),
        (call("book", '{"time": '), ["the arguments are not JSON"]),
        (call("bok", "{}"), ["there is no tool 'bok', did you mean 'book'?"]),
        ({"id": "c1"}, ["there is no tool 'None'"]),
    ],
)
def test_a_call_keeps_to_the_schema_of_its_tool(made: dict[str, Any], words: list[str]) -> None:
    found = call_problems([TOOL, PLAIN], [made])
    assert len(found) == len(words), found
    assert all(word in problem for word, problem in zip(words, found, strict=True))


@pytest.mark.parametrize(("arguments", "outcome"), [('{"time": "7"}', "pass"), ('{"people": 2}', "fail")])
def test_a_sample_with_a_wrong_call_fails(arguments: str, outcome: str) -> None:
    reply = Reply("ok", tool_calls=(call("book", arguments),))
    sample = Sample(SampleKey("p", "v1", "a/b", "c1"), "sha256:0", reply=reply)
    checks = [CheckSpec("contains", "ok")]
    judged = judge(sample, Case("c1", {}), TextContract(), checks, lambda _: lambda *_: True, tools=[TOOL])
    assert judged.outcome == outcome
    assert [result.label for result in judged.checks] == ["contains"] + ["tool_calls"] * (outcome == "fail")
