"""How far an engine may run ahead of whoever consumes its samples."""

from __future__ import annotations

import asyncio


class Gate:
    """Lets the engine start a sample only while fewer than `limit` (≥ 1) are started and not yet consumed.

    `consumed` and `open` may be called from any thread; everything else belongs to the loop of the engine.
    """

    def __init__(self, limit: int) -> None:
        self.limit = max(1, limit)
        self._started = 0
        self._consumed = 0
        self._opened = False
        self._waiting = False
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def blocked(self) -> bool:
        """Whether a worker waits here because nobody consumes."""
        return self._waiting

    async def enter(self) -> None:
        """Wait until one more sample may start, and count it."""
        self._loop = asyncio.get_running_loop()
        while self._full():
            self._wake.clear()
            self._waiting = True
            if not self._full():  # consumed between the two lines above, in another thread
                break
            await self._wake.wait()
        self._waiting = False
        self._started += 1

    def leave(self) -> None:
        """Take back an `enter` for which there was no sample."""
        self._started -= 1

    def consumed(self, count: int = 1) -> None:
        """Say that `count` samples were consumed, or are not going to be."""
        self._consumed += count
        self._notify()

    def open(self) -> None:
        """Let everything pass from now on."""
        self._opened = True
        self._notify()

    def _full(self) -> bool:
        return not self._opened and self._started - self._consumed >= self.limit

    def _notify(self) -> None:
        if self._waiting and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)
