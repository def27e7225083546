"""The loopback server as a process that counts: `python -m benchmarks.server --latency 50ms`.

The first line of output is the base URL. For every line `take` on standard input it prints one JSON line: what came in
since the last one. It ends with its standard input.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import threading
import time
from typing import Any

from promptops.testing import LoopbackServer
from promptops.times import parse_duration

ANSWER = '{"sentiment": "positive"}'


class Counter:
    """Answers every request, and keeps count; asked in the server's thread, read in another."""

    def __init__(self) -> None:
        self.server: LoopbackServer | None = None
        self._lock = threading.Lock()
        self.requests = self.peak = 0
        self.first = 0.0
        self.texts: set[str] = set()

    def __call__(self, asked: dict[str, Any]) -> str:
        """Answer the body `asked`."""
        with self._lock:
            self.requests += 1
            self.first = self.first or time.monotonic()
            self.texts.add(asked["messages"][-1]["content"])
            if self.server is not None:
                self.peak = max(self.peak, self.server.in_flight)
        return ANSWER

    def take(self) -> dict[str, float | int]:
        """Return the counts since the last call: requests, distinct texts, peak in flight, CPU seconds so far."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        with self._lock:
            counts = {"requests": self.requests, "distinct": len(self.texts), "peak": self.peak, "first": self.first}
            self._clear()
        return {**counts, "cpu": usage.ru_utime + usage.ru_stime}

    def _clear(self) -> None:
        self.requests = self.peak = 0
        self.first = 0.0
        self.texts = set()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--latency", default="50ms")
    options = parser.parse_args()
    counter = Counter()
    with LoopbackServer(counter, latency=parse_duration(options.latency), record=False) as server:
        counter.server = server
        print(server.base_url, flush=True)
        for line in sys.stdin:
            if line.strip() == "take":
                print(json.dumps(counter.take()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
