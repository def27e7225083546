"""The counting server, started and asked from the side of the harness."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.world import HERE


@dataclass(frozen=True, slots=True)
class Counted:
    """What came in: `requests`, `distinct` texts, the most in flight, when the first came, CPU seconds so far."""

    requests: int
    distinct: int
    peak: int
    first: float
    cpu: float


class Server:
    """A server process; `url` is its base URL."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.url = self._line()

    def take(self) -> Counted:
        """Return what came in since the last call."""
        assert self._process.stdin is not None
        self._process.stdin.write("take\n")
        self._process.stdin.flush()
        return Counted(**json.loads(self._line()))

    def _line(self) -> str:
        assert self._process.stdout is not None
        if not (line := self._process.stdout.readline()):
            raise RuntimeError("the loopback server has ended")
        return line.strip()


@contextmanager
def serving(latency: str) -> Iterator[Server]:
    """Run a server while the block lasts."""
    command = [sys.executable, "-m", "benchmarks.server", "--latency", latency]
    with subprocess.Popen(
        command, cwd=HERE.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Server(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(timeout=10)
