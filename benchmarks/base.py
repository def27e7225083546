"""What a contestant is: a name, what it needs, the command that asks every case, and how to read its output."""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from benchmarks.measuring import Command
from benchmarks.world import SCHEMA, World

Kind = Literal["bare", "ours", "peer", "yardstick"]


Making = Callable[[World, "Programs"], Command]


@dataclass(frozen=True, slots=True)
class Programs:
    """What runs the contestants: our interpreter, the one with the peers, and promptfoo (empty: not found)."""

    ours: str = sys.executable
    peers: str = sys.executable
    promptfoo: str = ""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to ask all cases.

    `command` makes the process of a world, `right` reads from its output how many answers were right, `version` says
    what is installed (empty: not installed). `asks` false makes no request at all; `slow` is measured in the first
    round only.
    """

    name: str
    kind: Kind
    command: Making
    right: Callable[[str], int]
    version: Callable[[Programs], str]
    before: Making | None = None
    asks: bool = True
    slow: bool = False


def script(name: str, file: str, *arguments: str, kind: Kind, needs: tuple[str, ...], slow: bool = False) -> Contestant:
    """A contestant that is a script of `contestants/`; `needs` are distributions, the first one gives the version.

    Bare loops run in our interpreter where it has what they need, so that all share one version of what is below.
    """

    def command(world: World, programs: Programs) -> Command:
        argv = [_interpreter(programs, needs), file, world.url, str(world.cases), str(world.concurrency), *arguments]
        return Command(argv, world.scratch, settings(world))

    return Contestant(name, kind, command, last_number, lambda programs: _version(programs, needs), slow=slow)


def settings(world: World) -> dict[str, str]:
    """What the scripts read from the environment; a home of their own, and nothing that calls home."""
    return {
        "BENCH_URL": world.url,
        "BENCH_CASES": str(world.cases),
        "BENCH_COUNT": str(world.count),
        "BENCH_SCHEMA": json.dumps(SCHEMA),
        "BENCH_SCRATCH": str(world.scratch),
        "HOME": str(world.scratch),
        "DEEPEVAL_TELEMETRY_OPT_OUT": "1",
        "DEEPEVAL_UPDATE_WARNING_OPT_IN": "0",
        "ERROR_REPORTING": "0",
        "LOGFIRE_SEND_TO_LOGFIRE": "false",
    }


def last_number(output: str) -> int:
    """The number on the last line of a script's output, -1 where there is none."""
    last = (output.strip().splitlines() or [""])[-1]
    return int(last) if last.isdigit() else -1


def passed(output: str) -> int:
    """How many passed in what pytest or `promptops run` printed last, -1 where neither did."""
    found = re.findall(r"\b(\d+) passed\b", output)
    return int(found[-1]) if found else -1


@functools.cache
def installed(interpreter: str, distributions: tuple[str, ...]) -> Mapping[str, str]:
    """The versions of those distributions that `interpreter` has; empty where it cannot be run."""
    code = (
        "import importlib.metadata as m, json\n"
        "print(json.dumps({d.metadata['Name'].lower().replace('_', '-'): d.version for d in m.distributions()}))"
    )
    try:
        done = subprocess.run([interpreter, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return {}
    found = json.loads(done.stdout.splitlines()[-1])
    return {name: found[name] for name in distributions if name in found}


def _interpreter(programs: Programs, needs: tuple[str, ...]) -> str:
    return programs.ours if len(installed(programs.ours, needs)) == len(needs) else programs.peers


def _version(programs: Programs, needs: tuple[str, ...]) -> str:
    found = installed(_interpreter(programs, needs), needs)
    return next(iter(found.values()), sys.version.split()[0]) if len(found) == len(needs) else ""
