"""How far a run is: a bar with an ETA on a terminal, a line now and then elsewhere. Always on standard error."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from promptops.cli.options import EventsOption, Options, QuietOption
from promptops.reporting.events import EventLog
from promptops.reporting.progress import progress_words
from promptops.runner.events import Event, SampleDone
from promptops.runner.tally import Tally

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_LINE_EVERY = 10.0  # seconds between two lines where there is no terminal
_DRAW_EVERY = 0.2  # seconds between two changes of the line on a terminal


class Telling(Options, frozen=True):
    """How much a command says of a run while it goes: nothing but the result, and events into a file."""

    quiet: QuietOption = False
    events: EventsOption = None

    def progress(self, title: str, total: int) -> RunProgress:
        """What counts the samples of one run."""
        return RunProgress(title, total, quiet=self.quiet, events=self.events)


class RunProgress:
    """Counts samples towards `total`; says how many failed and why, never how cases came out (that would be peeking).

    `quiet` says nothing at all; `events` is a file to which every event is appended.
    """

    def __init__(self, title: str, total: int, *, quiet: bool = False, events: Path | None = None) -> None:
        self.title, self.total, self._quiet = title, total, quiet
        self._log = EventLog(events) if events is not None else None
        self.tally = Tally(total)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._said = time.monotonic()

    def __enter__(self) -> Self:
        if self._log is not None:
            self._log.__enter__()
        if not self._quiet and sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("CI"):
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn

            columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), TextColumn("{task.fields[words]}"))
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(self.title, total=self.total, words="")
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
        if self._log is not None:
            self._log.close()

    def __call__(self, event: Event) -> None:
        if self._log is not None:
            self._log(event)
        if isinstance(event, SampleDone):
            self.tally.count(event.sample)
            self._show()

    def _show(self) -> None:
        if self._quiet or time.monotonic() - self._said < (_LINE_EVERY if self._bar is None else _DRAW_EVERY):
            return
        self._said = time.monotonic()
        words = progress_words(self.tally.progress())
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self.done, words=words)
        else:
            sys.stderr.write(f"{self.title}: {words}\n")
            sys.stderr.flush()

    @property
    def done(self) -> int:
        """Samples so far."""
        return self.tally.progress().done


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min`, `1.5 h`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
