"""Durable before reported: a sample is on disk before anybody but the engine sees it.

Group commit: while one commit is on its way, others gather; the next one takes them all.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol, TypeAlias

from promptops.models import Sample

GATHER = 0.02  # seconds that the first of a group waits for others: a fraction of what any model takes


Item: TypeAlias = Sample | BaseException


class Resumed(Sample, frozen=True):
    """A sample that its run measured before this process went on with it. Nobody asked for it again."""


class Journal(Protocol):
    """Where samples are kept before they are handed on; `write` is called in a thread of its own."""

    def wants(self, sample: Sample) -> bool:
        """Whether `sample` is to be kept."""
        ...

    def write(self, samples: Sequence[Sample]) -> None:
        """Write one group: durable when this returns. Raises `StoreError`."""
        ...


class GroupCommit:
    """Hands samples on once they are durable, in the order in which they were added.

    `deliver` is called in the event loop in which this was made. What the journal raises is delivered in place of the
    group that could not be written, and nothing after it.
    """

    def __init__(self, journal: Journal, deliver: Callable[[Item], None]) -> None:
        self._journal, self._deliver = journal, deliver
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._waiting: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._closing = False
        self.pending = 0
        threading.Thread(target=self._run, name="promptops-journal", daemon=True).start()

    def add(self, item: Item) -> None:
        """Take a sample, or an error that is to be delivered after the samples before it; returns at once."""
        self.pending += 1
        self._waiting.put(item)

    async def close(self) -> None:
        """Wait until what was added is durable and delivered, or has failed."""
        if not self._closing:
            self._closing = True
            self._waiting.put(None)
        await asyncio.shield(self._ended)

    # --- in the thread

    def _run(self) -> None:
        try:
            while group := self._next_group():
                self._keep(group)
                self._tell(self._delivered, group)
        except BaseException as error:  # carried to the loop, raised there
            self._tell(self._delivered, [error])
        finally:
            self._tell(self._end, None)

    def _keep(self, group: Sequence[Item]) -> None:
        """Write the samples of a group; on its own, so that the thread holds none of them when it tells its end."""
        if samples := [item for item in group if isinstance(item, Sample)]:
            self._journal.write(samples)

    def _next_group(self) -> list[Item]:
        """What has gathered after a short wait for more; empty at the end."""
        first = self._waiting.get()
        if first is None:
            return []
        if not self._closing:
            time.sleep(GATHER)
        group = [first]
        with suppress(queue.Empty):
            while (item := self._waiting.get_nowait()) is not None:
                group.append(item)
            self._waiting.put(None)
        return group

    def _tell(self, what: Callable[..., None], value: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(what, value)

    # --- in the loop

    def _delivered(self, group: Sequence[Item]) -> None:
        self.pending -= len(group)
        for item in group:
            self._deliver(item)

    def _end(self, _: None) -> None:
        if not self._ended.done():
            self._ended.set_result(None)
