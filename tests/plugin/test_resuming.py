"""--promptops-resume and --promptops-no-resume: what a run that was cut short has is not asked again."""

from __future__ import annotations

import pytest

from promptops.testing import Answer, LoopbackServer
from tests.plugin.world import World
from tests.runs_there import run_records, samples_there


def test_after_x_everything_is_asked_again_unless_it_is_demanded(world: World) -> None:
    world.greeting(cases=6)
    store = world.project.path / ".promptops/store.db"
    with LoopbackServer(lambda body: "no" if "say 2" in body["messages"][0]["content"] else "yes") as server:
        world.project.provider("test", server.base_url, concurrency=1)
        world.process("--promptops-mode", "live", "-x")
        before = server.count
        again = world.process("--promptops-mode", "live", "-x")
        assert "going on" not in again.stdout.str()
        first, second = run_records(store)
        assert (first.status, second.status) == ("stopped", "stopped")
        asked = server.count - before
        there = sum(sample.reply is not None for sample in samples_there(store, second.id))
        assert asked - 1 <= there <= asked, "all but what was in flight"

        result = world.process("--promptops-mode", "live", "--promptops-resume")

    result.assert_outcomes(passed=5, failed=1)
    result.stdout.fnmatch_lines(
        [f"promptops: going on with run {second.id}: {there} of 6 samples are there; --promptops-no-resume asks all*"]
    )
    assert server.count - before == asked + 6 - there
    assert [record.status for record in run_records(store)] == ["stopped", "regress"]


@pytest.mark.parametrize("workers", ["0", "2"])
def test_what_an_outage_left_open_is_asked_by_the_next_run(world: World, workers: str) -> None:
    world.greeting(cases=8)
    down = True
    with LoopbackServer(lambda body: Answer(status=503) if down and server.count > 5 else "yes") as server:
        world.project.provider("test", server.base_url, retries=0, concurrency=1)
        command = ("--promptops-mode", "live", "-n", workers)

        assert world.process(*command).parseoutcomes() == {"passed": 5, "unmeasurable": 3}
        down = False
        asked = server.count
        again = world.process(*command)
        assert server.count == asked + 3
        fresh = world.process(*command, "--promptops-no-resume")

    for result in (again, fresh):
        result.assert_outcomes(passed=8)
    again.stdout.fnmatch_lines(["promptops: going on with run *: 5 of 8 samples are there*", "*8 cases: 8 passed*"])
    assert "going on" not in fresh.stdout.str()
    assert server.count == asked + 3 + 8
    records = run_records(world.project.path / ".promptops/store.db")
    assert [(record.status, record.round) for record in records] == [("pass", 2), ("pass", 1)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--promptops-mode", "live", "--promptops-resume"], "there is no run of this plan to go on with"),
        (["--promptops-resume"], "--promptops-resume goes on with a run that asked"),
        (["--promptops-mode", "live", "--promptops-resume", "--promptops-no-resume"], "--promptops-resume goes on"),
    ],
)
def test_there_has_to_be_something_to_go_on_with(world: World, arguments: list[str], said: str) -> None:
    world.greeting()
    result = world.run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert said in result.stdout.str() + result.stderr.str()
