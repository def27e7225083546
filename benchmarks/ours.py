"""promptops in its four ways, and the yardsticks that pytest itself gives."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from platform import python_version

from benchmarks.base import Contestant, Kind, Making, Programs, passed, settings
from benchmarks.measuring import Command
from benchmarks.world import World

# Only pytest, promptops and nothing else that happens to be installed beside them.
_ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def _promptops(*arguments: str) -> list[str]:
    return [sys.executable, str(Path(sys.executable).parent / "promptops"), *arguments]


def _plugin(name: str, *arguments: str, asks: bool, before: Making | None = None) -> Contestant:
    def command(world: World, programs: Programs) -> Command:
        argv = [programs.ours, "-m", "pytest", "-q", "-p", "promptops.pytest_plugin", "--promptops", *arguments]
        return Command(argv, world.folder, {**settings(world), **_ALONE})

    return Contestant(name, "ours", command, passed, _our_version, before, asks=asks)


def _command_line(name: str, mode: str, *, asks: bool, before: Making | None = None) -> Contestant:
    def command(world: World, _: Programs) -> Command:
        return Command(_promptops("run", "kind@v1", "--mode", mode, "--no-evidence"), world.folder, settings(world))

    return Contestant(name, "ours", command, passed, _our_version, before, asks=asks)


def _pytest(name: str, file: str, *, kind: Kind, asks: bool, slow: bool = False) -> Contestant:
    def command(world: World, programs: Programs) -> Command:
        return Command([programs.ours, "-m", "pytest", "-q", file], world.scratch, {**settings(world), **_ALONE})

    return Contestant(name, kind, command, passed, lambda _: version("pytest"), asks=asks, slow=slow)


def _our_version(_: Programs) -> str:
    return version("pytest-promptops")


def bare_command(*argv: str) -> Contestant:
    """A process that is only started: the interpreter alone, or a help page."""

    def command(world: World, programs: Programs) -> Command:
        first = [programs.ours] if argv[0] == "-c" else _promptops()
        return Command([*first, *argv], world.scratch, settings(world))

    if argv[0] == "-c":
        return Contestant("python -c pass", "yardstick", command, lambda _: 1, lambda _: python_version(), asks=False)
    return Contestant(f"promptops {' '.join(argv)}", "yardstick", command, lambda _: 1, _our_version, asks=False)


PLUGIN_LIVE = _plugin("pytest --promptops, live", "--promptops-mode", "live", asks=True)
RUN_LIVE = _command_line("promptops run, live", "live", asks=True)
_RECORD = _command_line("promptops run, record", "new", asks=True).command
PLUGIN_REPLAY = _plugin("pytest --promptops, replay", asks=False, before=_RECORD)
RUN_REPLAY = _command_line("promptops run, replay", "replay", asks=False, before=_RECORD)
PLAIN_PYTEST = _pytest("pytest, empty tests", "plain_pytest.py", kind="yardstick", asks=False)
SEQUENTIAL = _pytest("pytest + httpx, in turn", "sequential_httpx.py", kind="peer", asks=True, slow=True)
PYTHON = bare_command("-c", "pass")
HELP = bare_command("--help")
