"""How far asking is: below pytest's own line on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from promptops._pytest.progress import AskedProgress
from promptops.models import Failure, Reply, Sample, SampleKey, Usage
from promptops.testing import LoopbackServer
from tests.plugin.world import QUIET, World, held_until

KEY = SampleKey("p", "v1", "a/b", "c1", 0)
ANSWERED = Sample(KEY, "", reply=Reply("x", "stop", Usage(1, 1), "b", latency=0.1), cost=0.01)
UNPRICED = Sample(KEY, "", reply=ANSWERED.reply)
RECORDED = Sample(KEY, "", reply=ANSWERED.reply, source="recorded")
FAILED = Sample(KEY, "", failure=Failure("timeout", "late"))
OFTEN = """
import pathlib, time
import promptops._pytest.progress as p
p.LINE_EVERY = 0.0
say = p.Display.between_items
def when_something_is_done(self):
    until = time.monotonic() + 60
    while str(self._progress).startswith("0 of") and time.monotonic() < until:
        time.sleep(0.01)
    say(self)
    pathlib.Path("said").touch()
p.Display.between_items = when_something_is_done
"""


@pytest.mark.parametrize(
    ("samples", "seconds", "words"),
    [
        ([], 3, "0 of 40 done"),
        ([ANSWERED] * 10, 5, "10 of 40 done, 2.0/s, about 0:15 left, $0.1000"),
        ([ANSWERED] * 10 + [RECORDED] * 20, 1000, "10 of 40 done, 0.0/s, about 50:00 left, $0.1000"),
        ([ANSWERED, FAILED], 380, "2 of 40 done, 0.0/s, about 2:00:20 left, $0.0100, 1 without a reply (1 timeout)"),
        ([ANSWERED, UNPRICED], 2, "2 of 40 done, 1.0/s, about 0:38 left, cost unknown"),
        ([ANSWERED] * 50, 50, "50 of 50 done, 1.0/s, about 0:00 left, $0.5000"),
    ],
)
def test_it_tells_what_is_done_how_fast_how_long_and_what_it_costs(
    samples: list[Sample], seconds: float, words: str
) -> None:
    moments = iter([0.0, seconds])
    progress = AskedProgress(40, clock=lambda: next(moments))

    assert not any(progress.wants(sample) for sample in samples)

    assert str(progress) == words


@pytest.mark.parametrize(("arguments", "told"), [([], True), (["-v"], True), (["-n", "2"], True), (["-qq"], False)])
def test_off_a_terminal_it_is_a_line_between_items(world: World, arguments: list[str], told: bool) -> None:
    world.greeting(cases=8)
    world.record("v1", {"c1": "yes"})
    world.pytester.makeconftest(OFTEN)
    said = (world.pytester.path / "said").exists
    with LoopbackServer(lambda body: held_until(said) if server.count == 7 else "yes") as server:
        world.project.provider("test", server.base_url, concurrency=1)

        result = world.process("--promptops-mode", "new", *arguments)

    lines = [line for line in result.outlines if line.startswith("promptops: ") and " done, " in line]
    assert bool(lines) is told
    assert all(" of 7 done, " in line for line in lines)
    assert all(line.endswith(" left, cost unknown") for line in lines[1:])
    assert len(lines) < 8
    assert "\x1b" not in result.stdout.str()
    assert result.ret == 0


def on_a_terminal(folder: Path, *arguments: str, written: bytearray) -> str:
    """Everything that pytest writes to a terminal of 80 columns; what came so far is in `written`."""
    controller, terminal = pty.openpty()
    environ = {name: value for name, value in os.environ.items() if name != "CI"} | {"TERM": "xterm", "COLUMNS": "80"}
    command = [sys.executable, "-m", "pytest", *QUIET, *arguments]
    with subprocess.Popen(
        command, cwd=folder, env=environ, stdin=terminal, stdout=terminal, stderr=terminal
    ) as process:
        os.close(terminal)
        try:
            while chunk := os.read(controller, 4096):
                written += chunk
        except OSError:  # Linux says so at the end
            pass
        finally:
            os.close(controller)
        assert process.wait(60) == 0
    return written.decode()


def shown(written: str) -> list[str]:
    """The lines that stand on the terminal at the end; colours left out."""
    rows, row, column = [""], 0, 0
    position = 0
    while position < len(written):
        letter = written[position]
        position += 1
        if letter == "\x1b":
            end = position + 1
            while not written[end].isalpha():
                end += 1
            number, kind, position = written[position + 1 : end], written[end], end + 1
            if kind == "A":
                row -= int(number)
            elif kind == "G":
                column = int(number) - 1
            elif kind == "K":
                rows[row] = ""
        elif letter == "\r":
            column = 0
        elif letter == "\n":
            row += 1
            rows += [""] * (row + 1 - len(rows))
        else:
            rows[row] = rows[row].ljust(column)[:column] + letter + rows[row][column + 1 :]
            column += 1
    return rows


@pytest.mark.parametrize("arguments", [[], ["-v"], ["-s"]], ids=" ".join)
def test_on_a_terminal_it_stands_below_and_leaves_no_trace(world: World, arguments: list[str]) -> None:
    world.greeting(cases=4)
    so_far = bytearray()
    seen = lambda: b"promptops: 1 of 4 done, " in so_far  # noqa: E731
    with LoopbackServer(lambda body: held_until(seen) if server.count == 2 else "yes") as server:
        world.project.provider("test", server.base_url, concurrency=1)

        written = on_a_terminal(world.project.path, "--promptops-mode", "live", *arguments, written=so_far)

    assert "promptops: 1 of 4 done, " in written
    screen = "\n".join(shown(written))
    assert " done, " not in screen
    assert screen.count("PASSED") == 4 if arguments == ["-v"] else "prompts/greeting/v1.j2 ...." in screen
    assert "4 passed" in screen
