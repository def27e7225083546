"""One process from start to exit: seconds, CPU seconds, peak memory, and what the server counted meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.serving import Server
from benchmarks.world import HERE

LONGEST = 900.0  # seconds that one process may take, where nothing else is said


@dataclass(frozen=True, slots=True)
class Command:
    """What is run: `argv` in `cwd`, with `env` on top of the harness's environment."""

    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measured:
    """What one process cost. `wall` and `cpu` are seconds (with its children's), `rss` is bytes.

    `requests`, `distinct` and `peak` were counted at the server, which used `server_cpu` seconds; `first` is seconds
    from the start of the process to its first request, 0.0 where it made none.
    """

    code: int
    output: str
    wall: float
    cpu: float
    rss: int
    requests: int = 0
    distinct: int = 0
    peak: int = 0
    first: float = 0.0
    server_cpu: float = 0.0


def measure(command: Command, server: Server, *, longest: float = LONGEST) -> Measured:
    """Run `command`; raises `subprocess.TimeoutExpired` where it takes longer than `longest` seconds."""
    before = server.take()
    with tempfile.TemporaryDirectory(prefix="promptops-bench-") as folder:
        result = Path(folder) / "result.json"
        launcher = [sys.executable, "-I", "-S", str(HERE / "launcher.py"), str(result)]
        output = _run([*launcher, *command.argv], command, longest)
        if not result.exists():
            raise RuntimeError(f"{command.argv[0]} could not be started:\n{output[-2000:]}")
        cost = json.loads(result.read_text(encoding="utf-8"))
    began, came = cost.pop("began"), server.take()
    return Measured(
        output=output,
        **cost,
        requests=came.requests,
        distinct=came.distinct,
        peak=came.peak,
        first=came.first - began if came.first else 0.0,
        server_cpu=came.cpu - before.cpu,
    )


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The harness's environment without what would slow Python down or switch things on, plus `extra`."""
    left_out = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTEST_ADDOPTS")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return {**kept, **extra}


def _run(argv: Sequence[str], command: Command, longest: float) -> str:
    with subprocess.Popen(
        argv,
        cwd=command.cwd,
        env=environment(command.env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=longest)
        except BaseException:  # with what it started itself, whatever ends the waiting
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return output.decode(errors="replace")
