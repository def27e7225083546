"""Ten thousand cases fit into memory: of what passed only a row is kept, and a report is plain data where it leaves."""

from __future__ import annotations

import json

import pytest

from promptops.core.baseline import Baseline
from promptops.formats import AcceptedCase
from promptops.testing import LoopbackServer
from tests.plugin.world import World

COUNTING = """
import collections, gc, json, time
from promptops.runner.journal import GroupCommit
tell = GroupCommit._tell
def tell_and_stay(self, what, value):  # its thread lives a little longer than the engine
    tell(self, what, value)
    if what == self._end: time.sleep(1)
GroupCommit._tell = tell_and_stay
def pytest_sessionfinish():
    gc.collect()
    kinds = collections.Counter(type(found).__name__ for found in gc.get_objects())
    with open("kept.json", "w") as file:
        json.dump({kind: kinds[kind] for kind in ("CaseRow", "Judgement", "Sample", "Reply")}, file)
"""
THERE_AND_BACK = """
import json
def pytest_runtest_logreport(report):
    hook = CONFIG.hook
    sent = json.dumps(hook.pytest_report_to_serializable(config=CONFIG, report=report))
    back = hook.pytest_report_from_serializable(config=CONFIG, data=json.loads(sent))
    assert getattr(back, "promptops", None) == getattr(report, "promptops", None)
    if hasattr(back, "promptops"):
        print("there and back:", back.promptops.kind, back.promptops.standing)
def pytest_configure(config):
    global CONFIG
    CONFIG = config
"""


def test_a_case_that_passed_leaves_its_row_and_nothing_of_what_was_said(world: World) -> None:
    world.greeting(cases=6)
    world.pytester.makeconftest(COUNTING)
    with LoopbackServer("yes") as server:
        world.project.provider("test", server.base_url)

        world.process("--promptops-mode", "live", "--promptops-no-cache").assert_outcomes(passed=6)

    kept = json.loads((world.pytester.path / "kept.json").read_text(encoding="utf-8"))
    assert kept == {"CaseRow": 6, "Judgement": 0, "Sample": 0, "Reply": 0}


def test_what_a_python_test_wants_too_is_asked_once(world: World) -> None:
    world.greeting(cases=2)
    world.pytester.makepyfile(
        "import pytest\n@pytest.mark.promptops('greeting')\n"
        "def test_it(prompt_output): assert prompt_output.text == 'yes' and len(prompt_output.samples) == 1\n"
    )
    with LoopbackServer("yes") as server:
        world.project.provider("test", server.base_url)

        world.process("--promptops-mode", "live").assert_outcomes(passed=4)

        assert server.count == 2


def test_a_report_is_plain_data_where_it_leaves_the_process(world: World) -> None:
    world.greeting(cases=3, yaml="pass_rate: 0.5\n")
    world.record("v1", {"c1": "yes", "c2": "no"})
    world.pytester.makeconftest(THERE_AND_BACK)

    said = world.run("--promptops", "-s").stdout.str()

    found = [line.partition("there and back: ")[2].strip() for line in said.splitlines() if "there and back" in line]
    assert found == ["case passed", "case broke", "case unmeasurable", "suite unmeasurable"]


def test_accepted_outcomes_are_gone_through_once_for_a_version(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.greeting(cases=5)
    world.record("v1", "yes")
    world.serve("v1")
    read: list[Baseline] = []

    def entries(baseline: Baseline) -> dict[str, AcceptedCase]:
        read.append(baseline)
        return {}

    monkeypatch.setattr(Baseline, "entries", property(entries))

    world.run("--promptops").assert_outcomes(passed=5)

    assert len(read) == 1
