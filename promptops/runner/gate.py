"""How far an engine may run ahead of whoever consumes its samples."""

from __future__ import annotations

import asyncio
import threading
from collections import deque


class Gate:
    """Lets the engine start a sample only while fewer than `limit` (≥ 1) are started and not yet consumed.

    `consumed` and `open` may be called from any thread; everything else belongs to the loop of the engine. What is
    consumed is told to the loop in handfuls (a quarter of the limit), because each word across threads costs both of
    them a turn, and it wakes as many waiters, not all of them.
    """

    def __init__(self, limit: int) -> None:
        self.limit = max(1, limit)
        self._free = self.limit
        self._handful = max(1, self.limit // 4)
        self._untold = 0
        self._opened = False
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()  # between the first `enter` and whoever consumes before it

    @property
    def blocked(self) -> bool:
        """Whether a worker waits here because nobody consumes."""
        return bool(self._waiters)

    async def enter(self) -> None:
        """Wait until one more sample may start, and count it."""
        if self._loop is None:
            with self._lock:
                self._loop = asyncio.get_running_loop()
        while self._free <= 0 and not self._opened:
            waiter = self._loop.create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                self._give_up(waiter)
                raise
        self._free -= 1

    def leave(self) -> None:
        """Take back an `enter` for which there was no sample."""
        self._release(1)

    def consumed(self, count: int = 1) -> None:
        """Say that `count` samples were consumed, or are not going to be."""
        with self._lock:
            if self._loop is None:
                self._free += count
                return
            self._untold += count
            if self._untold < self._handful and not self._opened:
                return
            told, self._untold = self._untold, 0
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._release, told)

    def open(self) -> None:
        """Let everything pass from now on."""
        self._opened = True
        self.consumed(0)

    def _release(self, count: int) -> None:
        self._free += count
        ready = len(self._waiters) if self._opened else min(self._free, len(self._waiters))
        for _ in range(ready):
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)

    def _give_up(self, waiter: asyncio.Future[None]) -> None:
        """A waiter was cancelled: what woke it wakes the next."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        elif self._free > 0:
            self._release(0)
