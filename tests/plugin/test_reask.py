"""Invalid output under pytest: asked for again with and without xdist, replayed, counted twice, never a fallback."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptops.testing import LoopbackServer
from tests.plugin.world import World
from tests.runs_there import timeless

CASES = 12
SCHEMA = """
from pydantic import BaseModel, field_validator

class Count(BaseModel):
    n: int

    @field_validator("n")
    @classmethod
    def positive(cls, value):
        print("checking", value)
        if value < 1:
            raise ValueError("must be positive")
        return value
"""
YAML = """\
inputs: {text: string}
output: {schema: schema.py:Count, reask: 1, fallback: {n: 3}}
budgets: {validation_failure_rate: 0.5, first_pass_failure_rate: 0.1}
"""


def answer(body: dict[str, Any]) -> str:
    """Every third case is invalid at first, case c12 always."""
    number = int(body["messages"][0]["content"].split()[-1])
    if number == CASES:
        return "never"
    return '{"n": 0}' if number % 3 == 0 and len(body["messages"]) == 1 else '{"n": 3}'


@pytest.fixture
def counting(world: World) -> World:
    world.project.prompt("count", versions={"v1": "say {{ text }}"}, yaml=YAML, files={"schema.py": SCHEMA})
    rows = [{"id": f"c{n}", "inputs": {"text": str(n)}, "expected": {"n": 3}} for n in range(1, CASES + 1)]
    world.project.dataset("count", rows)
    return world


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_what_is_invalid_is_asked_for_again_recorded_and_replayed(counting: World, workers: tuple[str, ...]) -> None:
    documents = []
    with LoopbackServer(answer) as server:
        counting.project.provider("test", server.base_url, retries=0)
        for mode in ("record", "replay"):
            report = ("--promptops-report", f"{mode}.json")
            result = counting.process("--promptops-mode", mode, *report, *workers)
            result.assert_outcomes(passed=CASES - 1, failed=2)
            assert server.count == CASES + 4
            output = result.stdout.str()
            assert "output contract: 4 invalid at first, 1 after asking again 4 times" in output
            assert "4 of 12 answers (33.3%) break the output contract at first: a problem of prompt or schema" in output
            assert "fail: first-pass validation failures 4 of 12, at most 10.0%" in output
            assert "pass: validation failures 1 of 12, at most 50.0%" in output
            documents.append(json.loads((counting.pytester.path / f"{mode}.json").read_text(encoding="utf-8")))
    lines = [json.loads(line) for line in _recordings(counting).splitlines()]
    assert sorted(line["case"] for line in lines if "earlier" in line) == ["c12", "c3", "c6", "c9"]
    summaries = [timeless(document)["summaries"][0] for document in documents]
    assert {summary["first_pass_rate"] for summary in summaries} == {8 / 12}
    assert {summary["validation_rate"] for summary in summaries} == {11 / 12}
    assert all(summary["suspect"] for summary in summaries)


@pytest.mark.parametrize("ending", ["md", "html"])
def test_reports_show_both_rates_and_what_was_answered_at_first(counting: World, ending: str) -> None:
    with LoopbackServer(answer) as server:
        counting.project.provider("test", server.base_url, retries=0)
        counting.process("--promptops-mode", "live", "--promptops-report", f"report.{ending}")
    text = (counting.pytester.path / f"report.{ending}").read_text(encoding="utf-8")
    assert "66.7% at first, 91.7% in the end" in text
    assert "prompt or schema" in text


def test_a_budget_that_the_worst_case_exceeds_asks_nothing(counting: World) -> None:
    counting.project.config('[tool.promptops.prices]\n"test/model-1" = [0.0, 1.0]')
    with LoopbackServer(answer) as server:
        counting.project.provider("test", server.base_url)
        once = 12 * 32768 / 1e6
        result = counting.process("--promptops-mode", "live", "--promptops-budget", str(once * 1.5))
        assert "24 requests may cost" in result.stdout.str() + result.stderr.str()
        assert server.count == 0
        counting.process("--promptops-mode", "live", "--promptops-budget", str(once * 2.1))
        assert server.count == CASES + 4


def _recordings(world: World) -> str:
    return next((world.pytester.path / "fixtures/count/recordings/v1").glob("*.jsonl")).read_text(encoding="utf-8")
