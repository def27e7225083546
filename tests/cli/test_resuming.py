"""Commands that ask go on with what was cut short, and end as if nothing had happened."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptops.cli.main import run
from promptops.cli.progress import RunProgress
from promptops.errors import StoreError
from promptops.runner.events import Event
from promptops.store.runs import RunStore
from promptops.testing import Answer
from tests.accidents.world import wait_until
from tests.cli.world import CASES, Behaviour, World
from tests.runs_there import run_records


def interrupt(world: World, capsys: pytest.CaptureFixture[str], *arguments: str, after: int = 12) -> int:
    """Run a command, and press Ctrl-C when it has `after` samples; returns how many requests the server got.

    Two more are in flight then, and are never answered: however late the key is pressed, there is something left.
    """
    before, progress = world.server.count, RunProgress.__call__

    def impatient(self: RunProgress, event: Event) -> None:
        progress(self, event)
        if self.done >= after:
            wait_until(lambda: world.server.count == before + after + 2)
            raise KeyboardInterrupt

    world.behaviour.enough = world.behaviour.asked.total() + after
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunProgress, "__call__", impatient)
        assert run([*arguments, "--concurrency", "2"]) == 130
    assert "the same command goes on from there" in capsys.readouterr().err
    world.behaviour.enough = None
    return world.server.count - before


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any], str]:
    capsys.readouterr()
    code = run([*arguments, "--json"])
    shown = capsys.readouterr()
    return code, json.loads(shown.out) if shown.out else {}, shown.err


def finish_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is gone before its run is ended: with everything else done."""

    def finish_run(self: RunStore, run: str, status: str) -> None:
        raise StoreError("killed here")

    monkeypatch.setattr(RunStore, "finish_run", finish_run)


@pytest.mark.parametrize("mode", ["live", "new", "record"])
def test_a_run_that_was_interrupted_is_gone_on_with(
    world: World, capsys: pytest.CaptureFixture[str], mode: str
) -> None:
    asked = interrupt(world, capsys, "run", "greet@v1", "--mode", mode)
    code, found, err = told(capsys, "run", "greet@v1", "--mode", mode)
    assert code == 0
    assert f"of {CASES} samples are there; --no-resume asks all again" in err
    there = int(err.split(": ")[1].split(" of ")[0])
    assert asked - 4 <= there <= asked, "all but what was in flight"
    assert f"asking {CASES - there} request" in err
    assert world.server.count == asked + CASES - there
    assert {source for row in found["versions"][0]["cases"] for source in row["sources"]} == {"live"}
    assert len(world.recorded("v1")) == (0 if mode == "live" else CASES)
    assert len(world.evidence("v1")["runs"]) == 1
    (record,) = run_records(world.store)
    assert (record.status, record.round) == ("pass", 2)


def test_no_resume_asks_all_again(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    asked = interrupt(world, capsys, "run", "greet@v1", "--mode", "live")
    code, _, err = told(capsys, "run", "greet@v1", "--mode", "live", "--no-resume")
    assert (code, world.server.count) == (0, asked + CASES)
    assert "going on" not in err


def test_resume_names_a_run_or_the_runs_that_there_are(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = told(capsys, "run", "greet@v1", "--mode", "live", "--resume")
    assert (code, err) == (2, "there is no run of this plan to go on with\n")
    interrupt(world, capsys, "run", "greet@v1", "--mode", "live")
    (record,) = run_records(world.store)
    code, _, err = told(capsys, "run", "greet@v2", "--mode", "live", "--resume")
    assert code == 2
    assert f"{record.id}  begun {record.started}, interrupted: mode live, greet@v1 test/model-1" in err
    code, _, err = told(capsys, "run", "greet@v1", "--mode", "live", record.id)
    assert (code, "--resume" in err) == (2, True)
    code, _, err = told(capsys, "run", "greet@v1", "--mode", "live", "--resume", record.id)
    assert (code, f"going on with run {record.id}" in err) == (0, True)


def test_a_run_that_an_outage_made_unmeasurable_asks_for_the_rest(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    healthy = Behaviour.__call__
    with monkeypatch.context() as patch:
        down = lambda self, asked: Answer(status=503) if world.server.count > 40 else healthy(self, asked)  # noqa: E731
        patch.setattr(Behaviour, "__call__", down)
        code, found, _ = told(capsys, "run", "greet@v1", "--mode", "live")
    assert (code, found["verdict"]) == (10, "unmeasurable")
    before = world.server.count
    code, found, _ = told(capsys, "run", "greet@v1", "--mode", "live")
    assert (code, found["verdict"]) == (0, "pass")
    assert world.server.count - before == CASES - 40


def test_a_budget_that_ran_out_is_raised_by_running_again(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    for budget, left in ((20, 40), (20, 40), (40, 20), (60, 0)):  # what was spent before counts
        code, _, _ = told(capsys, "run", "greet@v1", "--mode", "live", "--budget-requests", str(budget))
        assert code == (10 if left else 0)
        assert world.server.count == CASES - left


def test_a_canary_that_was_interrupted_keeps_its_order(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.serve()
    before = world.server.count
    interrupt(world, capsys, "canary", "greet@v2")
    seed = run_records(world.store)[-1].plan["seed"]
    code, found, err = told(capsys, "canary", "greet@v2")
    assert (code, found["seed"], found["attempt"]) == (0, seed, 1)
    assert "of 120 samples are there" in err
    asked = [[m["content"] for m in received.json["messages"]] for received in world.server.requests[before:]]
    assert len(asked) - 2 * CASES <= 4, "nothing but what was in flight was asked twice"
    assert len({tuple(pair) for pair in asked}) == 2 * CASES
    order = list(dict.fromkeys(f"c{question.split()[-1]}" for _, question in asked))
    assert [found["order"].index(case) for case in order] == pytest.approx(range(CASES), abs=3), "two are in flight"
    assert len(world.recorded("v2")) == CASES


def test_a_seed_that_was_asked_for_has_to_agree(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.serve()
    interrupt(world, capsys, "canary", "greet@v2", "--seed", "7")
    assert "going on" not in told(capsys, "canary", "greet@v2", "--limit", "1", "--seed", "7")[2], "another plan"
    code, _, err = told(capsys, "canary", "greet@v2", "--seed", "8", "--resume")
    assert (code, "no run of this plan" in err) == (2, True)
    assert "going on" in told(capsys, "canary", "greet@v2", "--seed", "7")[2]


def test_a_drift_check_that_was_interrupted_is_gone_on_with(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.serve()
    before = world.server.count
    interrupt(world, capsys, "drift")
    code, found, err = told(capsys, "drift")
    assert (code, found["state"]) == (0, "stable")
    assert "going on with run" in err
    assert world.server.count - before <= CASES + 4


@pytest.mark.parametrize("command", ["run", "canary", "drift"])
def test_killed_when_all_was_asked_it_says_the_same_again_and_once(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    world.serve()
    arguments = {"run": ["run", "greet@v2", "--mode", "live"], "canary": ["canary", "greet@v2"], "drift": ["drift"]}
    with monkeypatch.context() as patch:
        finish_fails(patch)
        code, first, err = told(capsys, *arguments[command])
        assert (code, err.splitlines()[-1]) == (2, "killed here")
    asked, evidence = world.server.count, world.evidence("v2")
    code, second, _ = told(capsys, *arguments[command])
    assert code == 0
    assert world.server.count == asked
    if command == "drift":  # says everything at once, when there is nothing more to ask
        assert (first, second["state"]) == ({}, "stable")
    else:
        assert second == first
    assert world.evidence("v2") == evidence
    with RunStore.in_folder(world.store.parent, read_only=True) as store:
        assert len(store.nights()) == (command == "drift")
