from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import promptfoo
from benchmarks.base import Contestant, Programs, installed, last_number, passed, script
from benchmarks.measuring import Measured
from benchmarks.registry import REPLAY, SIDE_BY_SIDE, START
from benchmarks.rounds import problem_of
from benchmarks.world import SCRIPTS, World

WORLD = World("http://127.0.0.1:1/v1", 10, 4, Path("cases"), Path("project"), Path("scratch"))
ASKS = script("asks", "raw_asyncio.py", kind="bare", needs=())


def measured(output: str = "10", code: int = 0, requests: int = 10, distinct: int = 10) -> Measured:
    return Measured(code, output, 1.0, 0.5, 1, requests, distinct)


@pytest.mark.parametrize(
    ("run", "problem"),
    [
        (measured(), ""),
        (measured("warning\n10\n"), ""),
        (measured("9"), "found 9 of 10 right: 9"),
        (measured("Traceback"), "found -1 of 10 right: Traceback"),
        (measured(requests=11), "asked 11 times, about 10 of 10 cases"),
        (measured(distinct=9), "asked 10 times, about 9 of 10 cases"),
        (measured("boom", code=3), "ended in 3: boom"),
        ("it did not end", "it did not end"),
    ],
)
def test_a_run_counts_only_where_every_case_was_asked_once_and_right(run: Measured | str, problem: str) -> None:
    assert problem_of(ASKS, run, WORLD) == problem


@pytest.mark.parametrize(
    ("reads", "output", "number"),
    [
        (last_number, "1 2\n3\n", 3),
        (last_number, "", -1),
        (passed, "...\n3 failed, 997 passed, 2 skipped in 1.2s\n", 997),
        (passed, "  200 cases: 200 passed\n  pass rate 100.0%\n", 200),
        (passed, "no tests ran", -1),
        (promptfoo.PROMPTFOO.right, "Results:\n  \x1b[32m✓ 1,200 passed\x1b[0m (100%)\n  0 failed (0%)", 1200),
        (promptfoo.PROMPTFOO.right, "Error", -1),
    ],
)
def test_how_many_were_right_is_read_from_the_output(reads: object, output: str, number: int) -> None:
    assert callable(reads)
    assert reads(output) == number


def test_a_contestant_that_is_not_installed_says_so_and_is_no_error() -> None:
    missing = script("missing", "openai_sdk.py", kind="peer", needs=("surely-not-a-distribution",))
    programs = Programs(peers="/nowhere/python", promptfoo="")
    assert missing.version(programs) == ""
    assert promptfoo.PROMPTFOO.version(programs) == ""
    assert installed("/nowhere/python", ("pytest",)) == {}


@pytest.mark.parametrize("contestant", [*SIDE_BY_SIDE, *REPLAY, *START], ids=lambda one: one.name)
def test_every_contestant_names_itself_once_and_its_script_exists(contestant: Contestant) -> None:
    assert [one.name for one in SIDE_BY_SIDE].count(contestant.name) <= 1
    if contestant.name != promptfoo.PROMPTFOO.name and "promptfoo" not in contestant.name:
        command = contestant.command(WORLD, Programs())
        scripts = [part for part in command.argv if part.endswith(".py") and "/" not in part]
        assert all((SCRIPTS / name).is_file() for name in scripts)
