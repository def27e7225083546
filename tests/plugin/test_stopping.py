"""-x, --maxfail, --pdb, time-outs and Ctrl-C: pytest stops, and so does the asking."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from promptops.testing import Answer, LoopbackServer
from tests.plugin.world import QUIET, World
from tests.runs_there import run_records


@pytest.mark.parametrize(("option", "failed"), [("-x", 1), ("--maxfail=2", 2)])
def test_the_run_stops_and_little_more_is_asked(world: World, option: str, failed: int) -> None:
    world.greeting(cases=200)
    with LoopbackServer("no") as server:
        world.project.provider("test", server.base_url, concurrency=4)

        result = world.process("--promptops-mode", "new", option)

        result.assert_outcomes(failed=failed)
        assert server.count <= 40
    recorded = world.project.read("fixtures/greeting/recordings/v1/test%2Fmodel-1.jsonl").splitlines()
    assert failed <= len(recorded) <= 40


def test_ctrl_c_while_an_item_waits_ends_at_once_and_keeps_what_is_done(world: World) -> None:
    world.greeting(cases=4)
    with LoopbackServer(lambda body: Answer("yes", delay=0.0 if server.count < 3 else 60.0)) as server:
        world.project.provider("test", server.base_url, concurrency=1)
        command = [sys.executable, "-u", "-m", "pytest", *QUIET, "--promptops-mode", "new", "-v"]
        started = subprocess.Popen(
            command, cwd=world.project.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            assert started.stdout is not None
            output = ""
            while output.count("PASSED") < 2 and (line := started.stdout.readline()):
                output += line
            while server.count < 3:
                time.sleep(0.01)
            started.send_signal(signal.SIGINT)
            output += started.communicate(timeout=60)[0]
        finally:
            started.kill()
    assert started.returncode == pytest.ExitCode.INTERRUPTED, output
    assert output.count("PASSED") == 2
    assert len(world.project.read("fixtures/greeting/recordings/v1/test%2Fmodel-1.jsonl").splitlines()) == 2
    (record,) = run_records(world.project.path / ".promptops/store.db")
    assert record.status == "interrupted"


def test_a_timeout_reaches_an_item_that_waits(world: World) -> None:
    world.greeting(cases=1)
    with LoopbackServer("yes", latency=30.0) as server:
        world.project.provider("test", server.base_url)

        result = world.process("--promptops-mode", "live", "--timeout=2")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Timeout*"])


def test_pdb_is_entered_for_a_failure_only(world: World) -> None:
    world.greeting(cases=3)
    world.record("v1", {"c1": "no", "c2": "no"})
    world.serve("v1")
    world.project.write("pytest.ini", "[pytest]\n")

    calm = world.process("--promptops", "--pdb")

    assert "entering PDB" not in calm.stdout.str()
    world.greeting(cases=3, yaml="gate: cases\n")
    child = world.pytester.run(sys.executable, "-m", "pytest", *QUIET, "--promptops", "--pdb", stdin=b"q\n", timeout=60)
    child.stdout.fnmatch_lines(["*BROKE: greeting@v1 case c1*", "*entering PDB*"])
