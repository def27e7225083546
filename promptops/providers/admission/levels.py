"""What is seen at one number of requests in flight: how many were refused, how many were borne, how long they took."""

from __future__ import annotations

from math import inf
from statistics import median

_SLOW, _FINE = 2.0, 1.5  # times the best median


class Shares:
    """How many of how many were refused."""

    def __init__(self) -> None:
        self.outcomes = self.refusals = 0

    def count(self, *, refused: bool) -> None:
        """Count one outcome."""
        self.outcomes += 1
        self.refusals += refused

    def add(self, other: Shares) -> None:
        """Count what another has counted."""
        self.outcomes += other.outcomes
        self.refusals += other.refusals

    @property
    def share(self) -> float:
        """The share that was refused, 0 without outcomes."""
        return self.refusals / self.outcomes if self.outcomes else 0.0


class Load:
    """The requests in flight over time, apart from those that were refused."""

    def __init__(self) -> None:
        self._in_flight, self._at = 0, -inf
        self._began, self._area = -inf, 0.0

    @property
    def in_flight(self) -> int:
        """How many there are now."""
        return self._in_flight

    def begin(self, now: float) -> None:
        """Begin a new mean."""
        self._began = self._at = now
        self._area = 0.0

    def change(self, by: int, now: float) -> None:
        """So many more are in flight."""
        if self._began == -inf:
            self.begin(now)
        self._area += self._in_flight * (now - self._at)
        self._at = now
        self._in_flight += by

    def refused(self, latency: float, now: float) -> None:
        """What has just ended counts for nothing."""
        self._area -= min(latency, now - self._began)

    def lasted(self, now: float) -> float:
        """Seconds since `begin`."""
        return now - self._began

    def mean(self, now: float) -> float:
        """The mean since `begin`."""
        self.change(0, now)
        return max(0.0, self._area) / (now - self._began) if now > self._began else 0.0


class Slowness:
    """Medians of the latency, one after another, against the best of them. A median does not mind a few slow ones."""

    def __init__(self) -> None:
        self.best = inf
        self.median: float | None = None
        self._latencies: list[float] = []

    def begin(self) -> None:
        """Begin a new median."""
        self._latencies.clear()

    def saw(self, latency: float, *, enough: float) -> bool:
        """Count the latency of an answer; returns whether, with `enough` of them, there is a new median."""
        self._latencies.append(latency)
        if len(self._latencies) < enough:
            return False
        self.median = median(self._latencies)
        self.best = min(self.best, self.median)
        self._latencies.clear()
        return True

    @property
    def slow(self) -> bool:
        """Whether it takes much longer than at its best."""
        return self.median is not None and self.median > _SLOW * self.best

    @property
    def fine(self) -> bool:
        """Whether it does not take notably longer than at its best, by what has been seen of the next median too."""
        newest = median(self._latencies) if len(self._latencies) > 4 else self.median
        return newest is None or newest <= _FINE * self.best
