"""How far a run is: a bar with an ETA on a terminal, a line now and then elsewhere. Always on standard error."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from promptops.models import Sample

_LINE_EVERY = 10.0  # seconds between two lines where there is no terminal


class RunProgress:
    """Counts samples towards `total`; says how many failed, never how cases came out (that would be peeking)."""

    def __init__(self, title: str, total: int) -> None:
        self.title, self.total = title, total
        self.counts: Counter[str] = Counter()
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._began = self._said = time.monotonic()

    def __enter__(self) -> Self:
        if sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("CI"):
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(self.title, total=self.total)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, sample: Sample) -> None:
        self.counts["failed" if sample.reply is None else sample.source] += 1
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task)
        elif time.monotonic() - self._said >= _LINE_EVERY:
            self._said = time.monotonic()
            sys.stderr.write(f"{self.title}: {self.done} of {self.total}{self._eta()}\n")
            sys.stderr.flush()

    @property
    def done(self) -> int:
        """Samples so far."""
        return sum(self.counts.values())

    def _eta(self) -> str:
        left = (time.monotonic() - self._began) / max(1, self.done) * (self.total - self.done)
        return f", about {duration(left)} left"


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min`, `1.5 h`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
