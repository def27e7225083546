"""Judges under pytest: asked by the same engine, replayed without network, the same for any number of workers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptops.testing import LoopbackServer
from tests.plugin.world import World

CASES = 10


class Model:
    def __init__(self) -> None:
        self.judged = 0

    def __call__(self, body: dict[str, Any]) -> str:
        text = body["messages"][-1]["content"]
        if "Judge:" in text:
            self.judged += 1
            return json.dumps({"pass": "good" in text, "reason": "says so"})
        return f"good yes {text}" if int(text.split()[-1]) % 5 else f"bad yes {text}"


@pytest.fixture
def judged(world: World) -> World:
    world.greeting(cases=CASES, yaml="checks:\n  - contains: 'yes'\n  - judge: polite\n")
    world.project.prompt("polite", versions={"v1": "Judge: {{ output }}\n"})
    rows = [
        {"id": f"l{n}", "output": f"{'good' if n % 2 else 'bad'} {n}", "label": "pass" if n % 2 else "fail"}
        for n in range(60)
    ]
    world.project.write("fixtures/polite/labels.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    return world


def calibrate(world: World) -> None:
    from promptops.core.judging import Asked
    from promptops.runner.calibrating import calibrate as measure
    from promptops.runner.calibrating import keep
    from promptops.runner.session import Session

    session = Session(world.project.project, "new", {})
    keep(session, measure(session, Asked("polite")), "2026-11-22T00:00:00Z")


@pytest.mark.parametrize("workers", ["0", "2"])
def test_what_a_judge_said_is_recorded_and_replayed(judged: World, workers: str) -> None:
    model = Model()
    with LoopbackServer(model) as server:
        judged.project.provider("test", server.base_url)
        calibrate(judged)
        before = server.count

        result = judged.process("--promptops-mode", "new", "-n", workers)

        result.assert_outcomes(passed=CASES - 2, failed=2)
        result.stdout.fnmatch_lines(["*judge*polite@v1 says 0: says so*"])
        assert server.count - before == 2 * CASES
        again = judged.process("--promptops-mode", "replay", "-n", workers)
        again.assert_outcomes(passed=CASES - 2, failed=2)
        live = judged.process("--promptops-mode", "live", "-n", workers)
        live.assert_outcomes(passed=CASES - 2, failed=2)
        assert server.count - before == 4 * CASES


def test_a_judge_that_advises_is_seen_and_reddens_nothing(judged: World) -> None:
    with LoopbackServer(Model()) as server:
        judged.project.provider("test", server.base_url)

        result = judged.process("--promptops-mode", "new")

        result.assert_outcomes(passed=CASES)
