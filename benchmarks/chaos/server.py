"""The hostile provider as a process: `python -m benchmarks.chaos.server`, a `Conduct` as JSON on standard input.

Built on the loopback server of promptops.testing. The first line of output is the base URL. For every further line of
input it prints what it counted so far, as one JSON line. It ends with its standard input.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from typing import Any

from benchmarks.chaos.conduct import Conduct
from promptops.testing import Answer, LoopbackServer, Served

FOREVER = 3600.0  # seconds, for a server that does not answer


class Provider:
    """Answers by its conduct and counts. Asked in the server's thread, read in another one."""

    def __init__(self, conduct: Conduct) -> None:
        self._conduct = conduct
        self._lock = threading.Lock()
        self._entries: list[list[Any]] = []
        self._open: dict[int, list[Any]] = {}
        self._attempts: dict[int, int] = {}
        self._level = float(conduct.rate or 0 if conduct.burst is None else conduct.burst)
        self._filled = self._began = 0.0
        self.dying = threading.Event()

    def answer(self, asked: dict[str, Any]) -> Answer:
        """Answer the body `asked`, and note that it came."""
        case, now = case_of(asked), time.monotonic()
        with self._lock:
            answer = self._answer(case, now)
            entry = [case, now, None, answer.status, False, ""]
            self._entries.append(entry)
            self._open[id(asked)] = entry
            if len(self._entries) == self._conduct.dies_after:
                self.dying.set()
        return answer

    def watch(self, served: Served) -> None:
        """Note what became of a request."""
        with self._lock:
            entry = self._open.pop(id(served.received.json), None)
            if entry is not None:
                entry[2], entry[4] = time.monotonic(), served.whole
                entry[5] = served.received.headers.get("idempotency-key", "")

    def told(self) -> list[list[Any]]:
        """What was counted so far."""
        with self._lock:
            return [list(entry) for entry in self._entries]

    def _answer(self, case: int, now: float) -> Answer:
        conduct = self._conduct
        self._began = self._began or now
        if conduct.hangs:
            return Answer(delay=FOREVER)
        if now - self._began < conduct.ill:
            return Answer(status=503, delay=conduct.latency)
        full = conduct.places is not None and len(self._open) >= conduct.places
        if full or not self._in_rate(now):
            return Answer(status=429, delay=0.0, headers={**conduct.headers, **self._announced()})
        return self._by_fate(case, self._announced())

    def _by_fate(self, case: int, limits: dict[str, str]) -> Answer:
        attempt = self._attempts.get(case, 0)
        self._attempts[case] = attempt + 1
        fate = self._conduct.fate(case, attempt)
        delay = self._conduct.seconds(fate)
        text = json.dumps({"number": case})
        if fate == "refused":
            return Answer(status=429, delay=delay, headers={**self._conduct.headers, **limits})
        if fate == "broken":
            return Answer(status=500, delay=delay, headers=limits)
        drop = 150 if fate == "dropped" else None
        return Answer(text, delay=delay, drop=drop, drip=self._conduct.drip, headers=limits)

    def _in_rate(self, now: float) -> bool:
        """Take one request out of the bucket; False where it is empty."""
        if (rate := self._conduct.rate) is None:
            return True
        self._level = min(rate, self._level + (now - (self._filled or now)) * rate / self._conduct.window)
        self._filled = now
        if self._level < 1:
            return False
        self._level -= 1
        return True

    def _announced(self) -> dict[str, str]:
        rate = self._conduct.rate
        if rate is None or not self._conduct.announce:
            return {}
        return {
            "x-ratelimit-limit-requests": str(rate),
            "x-ratelimit-remaining-requests": str(int(self._level)),
            "x-ratelimit-reset-requests": f"{(rate - self._level) * self._conduct.window / rate:.3f}s",
        }


def case_of(asked: dict[str, Any]) -> int:
    """The number in the last message of a request, -1 where there is none."""
    found = re.search(r"\d+", asked["messages"][-1]["content"])
    return int(found[0]) if found else -1


def serve(conduct: Conduct, provider: Provider, started: threading.Event, urls: list[str]) -> None:
    """Listen; die and come back as the conduct says. Runs in a thread of its own until the process ends."""
    with LoopbackServer(provider.answer, record=False, watch=provider.watch) as server:
        urls.append(server.base_url)
        started.set()
        provider.dying.wait()
        port = server.port
    if conduct.down is not None:
        time.sleep(conduct.down)
        with LoopbackServer(provider.answer, record=False, watch=provider.watch, port=port):
            threading.Event().wait()


def main() -> int:
    conduct = Conduct.from_json(json.loads(sys.stdin.readline()))
    provider, started, urls = Provider(conduct), threading.Event(), list[str]()
    threading.Thread(target=serve, args=(conduct, provider, started, urls), daemon=True).start()
    started.wait()
    print(urls[0], flush=True)
    for _ in sys.stdin:
        print(json.dumps(provider.told()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
