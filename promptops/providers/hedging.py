"""A second request for the same sample where the first one takes long: the first to answer wins.

Source: J. Dean and L. A. Barroso, The Tail at Scale, Communications of the ACM 56(2), 2013, "Hedged requests".
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from promptops.errors import ProviderError

T = TypeVar("T")


class Hedges:
    """Counts requests and hedges of one client, so that hedges stay a share of all requests."""

    def __init__(self) -> None:
        self._sent = self._hedged = 0

    def sent(self) -> None:
        """Count a request that is no hedge."""
        self._sent += 1

    async def first(
        self, request: Awaitable[T], second: Callable[[], Awaitable[T]], *, after: float, share: float
    ) -> T:
        """Return what `request` gives; where it takes longer than `after` seconds, what it or `second()` gives first.

        At most `share` of all requests are hedged, one at least. A failure of one waits for the other; where both
        fail, the first one's failure is raised. Whoever loses is cancelled.
        """
        tasks: list[asyncio.Future[T]] = [asyncio.ensure_future(request)]
        try:
            done, _ = await asyncio.wait(tasks, timeout=after)
            if not done and self._hedged < max(1.0, share * self._sent):
                self._hedged += 1
                tasks.append(asyncio.ensure_future(second()))
            return await _first_good(tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _first_good(tasks: list[asyncio.Future[T]]) -> T:
    waiting = set(tasks)
    while waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if task.exception() is None:
                return task.result()
            if not isinstance(task.exception(), ProviderError):
                task.result()
    return tasks[0].result()
