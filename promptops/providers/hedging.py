"""A second request for the same sample where the first one takes long: the first to answer wins.

Source: J. Dean and L. A. Barroso, The Tail at Scale, Communications of the ACM 56(2), 2013, "Hedged requests".
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar

from promptops.errors import ProviderError

T = TypeVar("T")


Begun: TypeAlias = "asyncio.Future[None]"


class NotHedged(Exception):
    """The second request was not sent: there was no place for it, or no allowance."""


class Hedges:
    """Counts requests and hedges of one client, so that hedges stay a share of all requests."""

    def __init__(self) -> None:
        self._sent = self._hedged = 0

    def sent(self) -> None:
        """Count a request that is no hedge."""
        self._sent += 1

    async def first(
        self,
        request: Callable[[Begun], Awaitable[T]],
        second: Callable[[], Awaitable[T]],
        *,
        after: float,
        share: float,
    ) -> T:
        """Return what `request` gives; where it takes longer than `after` seconds, what it or `second()` gives first.

        The time counts from when `request` is sent, which it says by setting what it is given. At most `share` of all
        requests are hedged, one at least; one that raises `NotHedged` was none. A failure of one waits for the other;
        where both fail, the first one's failure is raised. Whoever loses is cancelled.
        """
        begun: Begun = asyncio.get_running_loop().create_future()
        first = asyncio.ensure_future(request(begun))
        hedge: asyncio.Future[T] | None = None
        try:
            await asyncio.wait((first, begun), return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait((first,), timeout=after)
            if not first.done() and self._hedged < max(1.0, share * self._sent):
                self._hedged += 1
                hedge = asyncio.ensure_future(second())
                hedge.add_done_callback(self._give_back)
                await asyncio.wait((first, hedge), return_when=asyncio.FIRST_COMPLETED)
            return await _first_good(first, hedge)
        finally:
            tasks = [task for task in (first, hedge) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _give_back(self, hedge: asyncio.Future[T]) -> None:
        if not hedge.cancelled() and isinstance(hedge.exception(), NotHedged):
            self._hedged -= 1


async def _first_good(first: asyncio.Future[T], hedge: asyncio.Future[T] | None) -> T:
    """The result that comes first; a failure of the hedge is nobody's."""
    if hedge is None or (first.done() and first.exception() is None):
        return await first
    if not hedge.done():  # the first one has failed
        await asyncio.wait((hedge,))
    error = hedge.exception()
    if error is None:
        return hedge.result()
    if not isinstance(error, (ProviderError, NotHedged)):
        raise error
    return await first
