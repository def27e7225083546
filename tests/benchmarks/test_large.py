from __future__ import annotations

import pytest

from benchmarks.large import Large, Mode, parse, promises_of, table

MB = 1_000_000


def a_run(mode: Mode, cases: int, *, rss: int = 90 * MB, problem: str = "") -> Large:
    return Large(mode, cases, wall=cases / 500, cpu=cases / 1000, rss=rss, problem=problem)


@pytest.mark.parametrize(
    ("found", "held"),
    [
        ([a_run("live", 100_000)], [True, True]),
        ([a_run("live", 100_000, rss=201 * MB)], [False, True]),
        ([a_run("replay", 100_000), a_run("replay", 1_000_000, rss=98 * MB)], [True]),
        ([a_run("replay", 1_000_000, rss=120 * MB), a_run("replay", 100_000)], [False]),
        ([a_run("live", 1_000, rss=900 * MB), a_run("replay", 1_000), a_run("replay", 5_000)], []),
        ([a_run("live", 100_000, problem="ended in 1"), a_run("replay", 100_000)], []),
    ],
)
def test_promises_are_of_sound_runs_that_are_large_enough(found: list[Large], held: list[bool]) -> None:
    assert [promise.held for promise in promises_of(found)] == held


def test_the_table_has_a_line_for_each_run_and_each_promise() -> None:
    lines = table([a_run("live", 100_000), a_run("replay", 10, problem="ended in 1: no")]).splitlines()
    assert lines[1].split() == ["live", "100,000", "200.0", "100.0", "1.000", "90"]
    assert lines[2].endswith("ended in 1: no")
    assert lines[3] == "peak memory of 100,000 live: 90.00 MB, at most 200: held"
    assert lines[4] == "CPU of 1,000 live: 1.00 s, at most 1.5: held"


def test_sizes_are_chosen_on_the_command_line() -> None:
    options, path = parse(["--live", "0", "--replay", "10,20"])
    assert (options.live, options.replay, path) == (0, (10, 20), None)
