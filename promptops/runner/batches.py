"""Writes samples as they come, in batches, away from the loop that asks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from promptops.models import Sample

_INTERVAL = 2.0  # seconds
_BACKLOG = 5_000  # samples waiting for a slow writer before the run waits too


class Sink(Protocol):
    """Where samples go, a batch at a time; called from one thread at a time, never from two."""

    def wants(self, sample: Sample) -> bool:
        """Whether `sample` is to be kept here."""
        ...

    def write(self, samples: Sequence[Sample]) -> None:
        """Write one batch durably. Raises `StoreError`."""
        ...


class BatchWriter:
    """Feeds one sink every two seconds, or rarer where writing is slow (a tenth of the time at most).

    What a kill keeps from being written is in the run's journal: the run that goes on with it writes it.
    """

    def __init__(self, sink: Sink, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._sink, self._clock = sink, clock
        self._pending: list[Sample] = []
        self._writing: asyncio.Future[float] | None = None
        self._due = clock() + _INTERVAL
        self.written = 0

    async def add(self, sample: Sample) -> None:
        """Take one sample; raises what the last batch raised."""
        if not self._sink.wants(sample):
            return
        self._pending.append(sample)
        if self._writing is not None and (self._writing.done() or len(self._pending) >= _BACKLOG):
            await self._finish()
        if self._writing is None and (self._clock() >= self._due or len(self._pending) >= _BACKLOG):
            self._start()

    async def close(self) -> None:
        """Write what is left, in this thread: at the end of a run, also of one that was cancelled."""
        if self._writing is not None:
            await self._finish()
        if self._pending:
            self._write(self._take())

    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        self._writing = loop.run_in_executor(None, self._write, self._take())

    async def _finish(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            took = await writing
            self._due = self._clock() + max(_INTERVAL, 10 * took)

    def _take(self) -> list[Sample]:
        batch, self._pending = self._pending, []
        return batch

    def _write(self, batch: Sequence[Sample]) -> float:
        began = self._clock()
        self._sink.write(batch)
        self.written += len(batch)
        return self._clock() - began
