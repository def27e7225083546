"""--promptops-mode: replay without a socket, record, new, live."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptops.testing import LoopbackServer
from tests.plugin.world import World

NO_SOCKETS = """
import socket
class Refused(socket.socket):
    def __new__(cls, *args, **kwargs):
        raise AssertionError("a socket was opened")
socket.socket = Refused
"""


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def test_replay_is_the_default_and_opens_no_socket(world: World) -> None:
    world.greeting()
    world.record("v1", "yes")
    world.pytester.makeconftest(NO_SOCKETS)

    result = world.process("--promptops")

    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*mode replay*", "*3 recorded*"])


def test_replay_writes_nothing(world: World) -> None:
    world.greeting()
    world.record("v1", "yes")
    world.run("--promptops", "-p", "no:cacheprovider")

    assert not (world.project.path / ".promptops").exists()


def test_live_asks_and_writes_no_recording(world: World) -> None:
    world.greeting()
    with LoopbackServer("yes") as server:
        world.project.provider("test", server.base_url)

        result = world.process("--promptops-mode", "live")

        result.assert_outcomes(passed=3)
        assert server.count == 3
    assert not list(world.project.path.glob("fixtures/*/recordings/**/*.jsonl"))
    result.stdout.fnmatch_lines(
        ["promptops: 3 cases of 1 prompt, up to 3 requests, 16 at a time", "*mode live*", "*3 live*"]
    )


def test_new_asks_only_for_what_is_missing_and_records_it(world: World) -> None:
    world.greeting()
    path = world.record("v1", {"c1": "yes"})
    with LoopbackServer("yes") as server:
        world.project.provider("test", server.base_url)

        world.process("--promptops-mode", "new").assert_outcomes(passed=3)
        assert server.count == 2
        assert len(lines_of(path)) == 3

        world.process("--promptops-mode", "new").assert_outcomes(passed=3)
        assert server.count == 2
    world.run("--promptops").assert_outcomes(passed=3)


def test_record_asks_again_and_a_partial_run_merges(world: World) -> None:
    world.greeting()
    path = world.record("v1", "no")
    with LoopbackServer("yes") as server:
        world.project.provider("test", server.base_url)

        world.process("--promptops-mode", "record", "-k", "c2").assert_outcomes(passed=1, deselected=2)

        assert server.count == 1
    assert [('"text":"yes"' in line.replace(": ", ":")) for line in lines_of(path)] == [False, True, False]


def test_record_never_rewrites_what_is_served_without_accept(world: World) -> None:
    world.greeting()
    path = world.record("v1", "yes")
    world.serve("v1")
    before = path.read_bytes()
    with LoopbackServer("no") as server:
        world.project.provider("test", server.base_url)

        kept = world.process("--promptops-mode", "record")

        kept.assert_outcomes(failed=3)
        assert path.read_bytes() == before
        kept.stdout.fnmatch_lines(["*3 recordings of served versions were kept*--promptops-accept*"])

        world.process("--promptops-mode", "record", "--promptops-accept")
        assert path.read_bytes() != before
    world.run("--promptops").assert_outcomes(xfailed=3)


def test_an_outage_is_unmeasurable_never_a_failure(world: World) -> None:
    world.greeting()
    world.project.provider("test", "http://127.0.0.1:9/v1", retries=0)

    result = world.process("--promptops-mode", "live")

    assert result.parseoutcomes() == {"unmeasurable": 3}
    assert result.ret == 10
    result.stdout.fnmatch_lines(["*no answer (network or provider): 3 connection*"])


def test_a_stale_recording_of_a_released_version_is_red(world: World) -> None:
    world.greeting()
    world.record("v1", "yes")
    world.serve("v1")
    world.project.dataset("greeting", [{"id": "c1", "inputs": {"text": "another"}, "expected": "yes"}])

    result = world.run("--promptops")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*ERROR: greeting@v1 case c1*", "*the request changed since it was recorded*", "*--promptops-mode record*"]
    )


def test_an_edited_recording_is_red(world: World) -> None:
    world.greeting()
    path = world.record("v1", "no")
    path.write_text(path.read_text(encoding="utf-8").replace('"no"', '"yes"', 1), encoding="utf-8")

    result = world.run("--promptops")

    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(["*the line was edited*", "*git restore -- fixtures/greeting/recordings*"])


@pytest.mark.parametrize("option", ["--collect-only", "--setup-only", "--setup-plan"])
def test_nothing_is_asked_where_pytest_runs_nothing(world: World, option: str) -> None:
    world.greeting()
    with LoopbackServer("yes") as server:
        world.project.provider("test", server.base_url)

        result = world.run("--promptops-mode", "live", option)

        assert server.count == 0
    assert result.ret == 0


def test_nothing_is_asked_after_a_collection_error(world: World) -> None:
    world.greeting()
    world.pytester.makepyfile("import nothing_of_that_name")
    with LoopbackServer("yes") as server:
        world.project.provider("test", server.base_url)

        result = world.run("--promptops-mode", "live")

        assert server.count == 0
    assert result.ret == pytest.ExitCode.INTERRUPTED


@pytest.mark.parametrize("mode", ["replay", "new", "record"])
def test_malformed_recordings_are_errors_of_their_version_alone(world: World, mode: str) -> None:
    world.greeting(cases=2)
    world.greeting(cases=2, name="other")
    path = world.record("v1", "yes")
    first, second = path.read_text(encoding="utf-8").splitlines()
    path.write_text(f"<<<<<<< HEAD\n{first}\n=======\n{second}\n", encoding="utf-8")
    before = path.read_bytes()
    world.record("v1", "yes", name="other")
    with LoopbackServer("yes") as server:
        world.project.provider("test", server.base_url)

        result = (world.run if mode == "replay" else world.process)("--promptops-mode", mode)

        assert server.count == (2 if mode == "record" else 0)
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(
        [
            "*ERROR: greeting@v1 case c1*",
            "*recordings/v1/test%2Fmodel-1.jsonl:1: *",
            "*recordings/v1/test%2Fmodel-1.jsonl:3: *",
            "*next*git restore -- fixtures/greeting/recordings/v1/test%2Fmodel-1.jsonl*",
        ]
    )
    assert "Traceback" not in result.stdout.str()
    assert path.read_bytes() == before
    assert world.run("--promptops", "--collect-only", "-q").ret == 0
