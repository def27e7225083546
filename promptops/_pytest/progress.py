"""How far asking is: a line that keeps itself up to date on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pytest

from promptops.reporting.progress import cached_words, progress_words
from promptops.runner.tally import Tally

if TYPE_CHECKING:
    from promptops._pytest.asking import Wanted
    from promptops.models import Sample
    from promptops.runner.session import Session

LINE_EVERY = 15.0  # seconds between two plain lines
_DRAW_EVERY = 0.25  # seconds between two changes of the line on a terminal


class AskedProgress:
    """Counts what was asked of `total`. A sink of the engine that keeps nothing; counted in the engine's thread."""

    def __init__(self, total: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._tally = Tally(total, clock=clock)

    def wants(self, sample: Sample) -> bool:
        """Count the sample, unless it was recorded."""
        if sample.source != "recorded" and sample.digest is None:
            self._tally.count(sample)
        return False

    def write(self, samples: Sequence[Sample]) -> None:
        """Nothing is wanted, so nothing is written."""

    @property
    def complete(self) -> bool:
        """Whether everything was asked."""
        progress = self._tally.progress()
        return progress.done >= (progress.planned or 0)

    @property
    def cached(self) -> str:
        """`cached 120 of 1,000 (12 %)`; empty where nothing was."""
        progress = self._tally.progress()
        return cached_words(progress) if progress.cached else ""

    def __str__(self) -> str:
        """`23 of 58 done, 1.4/s, about 0:25 left, $0.0000`."""
        return progress_words(self._tally.progress())


def progress_of(session: Session, wanted: Wanted) -> AskedProgress:
    """Nothing counted yet; the total is what the mode asks, by what is recorded."""
    total = 0
    for target, case in wanted:
        recorded = session.recorded(target) if session.mode == "new" else ()
        total += sum((case.id, index) not in recorded for index in range(target.samples))
    return AskedProgress(total)


class Display:
    """Shows an `AskedProgress` in pytest's terminal; nowhere with `-qq` or without a terminal reporter.

    On a terminal the line stands below pytest's own, only while an item waits: nothing else writes then, and it is gone
    before anything does. Elsewhere (CI logs, xdist) it is a line between two items, every 15 s at most.
    """

    def __init__(
        self, config: pytest.Config, progress: AskedProgress, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._config, self._progress, self._clock = config, progress, clock
        self._said = self._drawn = clock()
        self._shown = False
        self._reporter: pytest.TerminalReporter | None = config.pluginmanager.get_plugin("terminalreporter")
        if config.option.verbose <= -2:
            self._reporter = None
        self._live = self._reporter is not None and self._reporter.isatty and _can_move_the_cursor()

    def tick(self) -> None:
        """An item waits: draw the line on a terminal."""
        if self._live and self._clock() - self._drawn >= _DRAW_EVERY:
            self._drawn = self._clock()
            self._below(f"promptops: {self._progress}")

    def clear(self) -> None:
        """The item goes on: leave the terminal as it was."""
        if self._shown:
            self._below("")

    def between_items(self) -> None:
        """Say it in a line of its own where it is time to; not once everything was asked."""
        if self._live or self._reporter is None or self._clock() - self._said < LINE_EVERY:
            return
        self._said = self._clock()
        if not self._progress.complete:
            self._reporter.ensure_newline()
            writer = self._config.get_terminal_writer()
            if writer.width_of_current_line:
                writer.line()
            writer.line(f"promptops: {self._progress}")

    def _below(self, text: str) -> None:
        """Write `text` into the line below the cursor, and put the cursor back."""
        writer = self._config.get_terminal_writer()
        column = writer.width_of_current_line % writer.fullwidth + 1
        capture = self._config.pluginmanager.get_plugin("capturemanager")
        with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
            sys.stdout.write(f"\n\r\x1b[2K{text[: writer.fullwidth - 1]}\x1b[1A\x1b[{column}G")
            sys.stdout.flush()
        self._shown = bool(text)


def announce(config: pytest.Config, text: str) -> None:
    """A line of its own in pytest's terminal; not with `-qq`."""
    reporter: pytest.TerminalReporter | None = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and config.option.verbose > -2:
        reporter.ensure_newline()
        reporter.write_line(text)


def _can_move_the_cursor() -> bool:
    return os.environ.get("TERM", "dumb") != "dumb" and not os.environ.get("CI")
