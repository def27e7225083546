"""How fast an endpoint is asked: so many requests a minute, and a pause for everybody when it asks for one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable


class Pacer:
    """Lets one request start every 60 / `rpm` seconds (None: as fast as they come), in the order of asking.

    `clock` and `sleep` are the loop's; a test gives its own.
    """

    def __init__(
        self, rpm: int | None, *, clock: Callable[[], float], sleep: Callable[[float], Awaitable[object]]
    ) -> None:
        self._gap = 60.0 / rpm if rpm else 0.0
        self._clock, self._sleep = clock, sleep
        self._next = float("-inf")

    async def turn(self) -> None:
        """Wait until the next request may start."""
        now = self._clock()
        start = max(now, self._next)
        self._next = start + self._gap
        if start > now:
            await self._sleep(start - now)

    def hold(self, seconds: float) -> None:
        """Let nothing start for `seconds`: a rate limit of one request is the rate limit of all."""
        self._next = max(self._next, self._clock() + seconds)
