"""Sections of the benchmark: contestants that take turns, round after round, in one world."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.base import Contestant, Kind, Programs
from benchmarks.measuring import Command, Measured, measure
from benchmarks.serving import Server
from benchmarks.world import World, make_world

WARM_UP = 8  # cases of the run that compiles what is imported


@dataclass(frozen=True, slots=True)
class Section:
    """`contestants` over `count` cases, `concurrency` in flight, in `rounds`; ratios are to `yardstick`, by name."""

    key: str
    contestants: Sequence[Contestant]
    yardstick: str
    count: int
    concurrency: int
    rounds: int


@dataclass(frozen=True, slots=True)
class Row:
    """What one contestant did. `problem` says why it has no runs, or which run was wrong; empty where all went well.

    `ratios` are of each round, to the yardstick of the same round.
    """

    name: str
    kind: Kind
    version: str
    runs: tuple[Measured, ...] = ()
    ratios: tuple[float, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """A section with its rows, in the order of its contestants."""

    section: Section
    rows: tuple[Row, ...]


Say = Callable[[str], None]


def run_section(section: Section, server: Server, programs: Programs, say: Say) -> Result:
    """Warm up, then run all rounds; nothing that a contestant does ends the benchmark."""
    present = [one for one in section.contestants if one.version(programs)]
    with tempfile.TemporaryDirectory(prefix="promptops-bench-") as folder:
        small = make_world(Path(folder) / "small", server.url, count=WARM_UP, concurrency=section.concurrency)
        count, concurrency = section.count, section.concurrency
        world = make_world(Path(folder) / "world", server.url, count=count, concurrency=concurrency)
        problems = {one.name: _prepare(one, small, world, server, programs, say) for one in present}
        runs: dict[str, list[Measured]] = {one.name: [] for one in present}
        for number in range(section.rounds):
            for one in _turns(present, number):
                if problems[one.name]:
                    continue
                say(f"{section.key}: round {number + 1} of {section.rounds}, {one.name}")
                measured = _try(one, one.command(world, programs), server)
                problems[one.name] = problem_of(one, measured, world)
                if isinstance(measured, Measured):
                    runs[one.name].append(replace(measured, output=""))
    return Result(section, tuple(_row(one, section, programs, runs, problems) for one in section.contestants))


def problem_of(one: Contestant, measured: Measured | str, world: World) -> str:
    """What was wrong with a run: its exit code, what it found right, or what the server counted; empty if nothing."""
    if isinstance(measured, str):
        return measured
    wanted = world.count if one.asks else 0
    if measured.code:
        return _ended(measured)
    if (right := one.right(measured.output)) != world.count:
        return f"found {right} of {world.count} right: {measured.output.strip()[-200:]}"
    if measured.requests != wanted or measured.distinct != wanted:
        return f"asked {measured.requests} times, about {measured.distinct} of {wanted} cases"
    return ""


def _prepare(one: Contestant, small: World, world: World, server: Server, programs: Programs, say: Say) -> str:
    """Run once over few cases, and fill what a contestant reads; returns what went wrong, empty if nothing."""
    say(f"warming up {one.name}")
    for make, place in ((one.before, small), (one.command, small), (one.before, world)):
        if make is None:
            continue
        measured = _try(one, make(place, programs), server)
        if isinstance(measured, str):
            return measured
        if measured.code:
            return _ended(measured)
    return ""


def _ended(measured: Measured) -> str:
    return f"ended in {measured.code}: {measured.output.strip()[-600:]}"


def _try(one: Contestant, command: Command, server: Server) -> Measured | str:
    try:
        return measure(command, server)
    except subprocess.TimeoutExpired as error:
        return f"{one.name} did not end within {error.timeout:.0f} s"
    except OSError as error:
        return f"{one.name} could not be started: {error}"


def _turns(contestants: Sequence[Contestant], number: int) -> list[Contestant]:
    """Who runs in round `number`, in which order: every round begins with another one."""
    turns = [one for one in contestants if number == 0 or not one.slow]
    first = number % len(turns) if turns else 0
    return turns[first:] + turns[:first]


def _row(
    one: Contestant,
    section: Section,
    programs: Programs,
    runs: dict[str, list[Measured]],
    problems: dict[str, str],
) -> Row:
    if one.name not in runs:
        return Row(one.name, one.kind, "", problem="not installed")
    mine, yardstick = runs[one.name], runs.get(section.yardstick, [])
    ratios = tuple(run.wall / other.wall for run, other in zip(mine, yardstick, strict=False))
    return Row(one.name, one.kind, one.version(programs), tuple(mine), ratios, problems[one.name])
