"""Counts what a run has so far: where samples came from, what failed and was tried again, what it cost."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from promptops.errors import FailureKind
from promptops.models import Sample
from promptops.runner.events import Progress
from promptops.runner.journal import Resumed


class Tally:
    """Counts samples towards `planned` (None: nobody knows how many). How cases came out is not counted: that would be
    peeking.

    `clock` returns seconds and only goes forward.
    """

    def __init__(self, planned: int | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._planned, self._clock = planned, clock
        self._began = clock()
        self.asked = self.recorded = self.cached = self.resumed = 0
        self._failures: Counter[FailureKind] = Counter()
        self._retries: Counter[FailureKind] = Counter()
        self._cost, self._unpriced = 0.0, False
        self._live = 0

    def count(self, sample: Sample) -> None:
        """Count one sample."""
        if isinstance(sample, Resumed):
            self.resumed += 1
            if sample.source == "live":
                self._spend(sample)
            return
        if sample.source == "live":
            self._live += 1
            failed = [attempt.failure for attempt in sample.attempts if attempt.failure is not None]
            self._retries.update(failed if sample.reply is not None else failed[:-1])
        if sample.reply is None:
            self._failures[sample.failure.kind if sample.failure else "cancelled"] += 1
            if sample.earlier and sample.source == "live":
                self._spend(sample)
        elif sample.source == "live":
            self.asked += 1
            self._spend(sample)
        elif sample.source == "cached" and sample.digest is None:  # a recorded copy was looked up in no cache
            self.cached += 1
        else:
            self.recorded += 1

    def _spend(self, sample: Sample) -> None:
        self._cost += sample.cost or 0.0
        self._unpriced = self._unpriced or sample.cost is None

    @property
    def failed(self) -> int:
        """Samples without a reply."""
        return self._failures.total()

    @property
    def cost(self) -> float:
        """US dollars of the replies whose price is known."""
        return self._cost

    def progress(self) -> Progress:
        """How far the run is now."""
        done = self.asked + self.recorded + self.cached + self.resumed + self.failed
        seconds = max(self._clock() - self._began, 1e-6)
        rate = self._live / seconds
        left = None if self._planned is None else max(0, self._planned - done)
        return Progress(
            done=done,
            planned=None if self._planned is None else max(self._planned, done),
            asked=self.asked,
            recorded=self.recorded,
            cached=self.cached,
            failures=dict(self._failures),
            retries=dict(self._retries),
            cost=None if self._unpriced else self._cost,
            seconds=seconds,
            rate=rate,
            eta=left / rate if rate and left is not None else None,
            resumed=self.resumed,
        )
