"""What a server counted, and what follows from it. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One request: for `case`, from `came` to `gone` (monotonic seconds; None: still open), answered with `status`.

    `whole` says that the complete answer was written to a client that was still there; `key` is the idempotency key.
    """

    case: int
    came: float
    gone: float | None
    status: int
    whole: bool
    key: str = ""


@dataclass(frozen=True, slots=True)
class Log:
    """All requests of one server, in the order of their coming."""

    entries: Sequence[Entry]

    @classmethod
    def from_json(cls, data: Sequence[Sequence[Any]]) -> Log:
        """Read the lists that the server prints."""
        return cls([Entry(*row) for row in data])

    @property
    def answered(self) -> Mapping[int, int]:
        """How often each case was answered well."""
        return Counter(entry.case for entry in self.entries if entry.status == 200 and entry.whole)

    @property
    def statuses(self) -> Mapping[int, int]:
        """How many requests got which status."""
        return Counter(entry.status for entry in self.entries)

    @property
    def peak(self) -> int:
        """The most requests that were in flight at once."""
        changes = [(entry.came, 1) for entry in self.entries]
        changes += [(entry.gone, -1) for entry in self.entries if entry.gone is not None]
        most = flying = 0
        for _, change in sorted(changes):
            flying += change
            most = max(most, flying)
        return most

    @property
    def span(self) -> float:
        """Seconds from the first request to the end of the last one that has ended."""
        ends = [entry.gone for entry in self.entries if entry.gone is not None]
        return max(ends) - self.entries[0].came if ends else 0.0

    def most_in(self, window: float) -> int:
        """The most requests that came in any `window` seconds."""
        times = [entry.came for entry in self.entries]
        return max((place + 1 - bisect_left(times, times[place] - window) for place in range(len(times))), default=0)
