"""How fast an endpoint is asked: so many requests and tokens a minute, and a pause for all when it asks for one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable


class Pacer:
    """Lets one request start every 60 / `rpm` seconds (None: as fast as they come), in the order of asking.

    With `tpm` nothing starts before the tokens spent so far would have been spent at that pace. What a request costs
    is known when it was answered, so those that are in flight together may run ahead of it once. `clock` and `sleep`
    are the loop's; a test gives its own.
    """

    def __init__(
        self,
        rpm: int | None,
        tpm: int | None = None,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]],
    ) -> None:
        self._gap = 60.0 / rpm if rpm else 0.0
        self._per_token = 60.0 / tpm if tpm else 0.0
        self._clock, self._sleep = clock, sleep
        self._next = self._paid_until = float("-inf")

    async def turn(self) -> float:
        """Wait until the next request may start; returns when that is, in seconds of the clock."""
        now = self._clock()
        start = max(now, self._next, self._paid_until)
        self._next = start + self._gap
        if start > now:
            await self._sleep(start - now)
        return start

    def spend(self, tokens: int, *, since: float) -> None:
        """Count the tokens of a request that started at `since`."""
        self._paid_until = max(self._paid_until, since) + tokens * self._per_token

    def hold(self, seconds: float) -> None:
        """Let nothing start for `seconds`: a rate limit of one request is the rate limit of all."""
        self._next = max(self._next, self._clock() + seconds)
