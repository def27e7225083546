"""When nobody sends because the endpoint refused somebody: how long, and when that was a mistake."""

from __future__ import annotations

FIRST_PAUSE = 0.5  # seconds without a word of the server


class Hold:
    """Pauses everybody after a refusal, until its time is over or a request that was sent later succeeds.

    Requests are known by their number in the order of sending, times are seconds of any clock that goes forward.
    """

    def __init__(self) -> None:
        self._until = float("-inf")
        self._refused = -1  # the newest request that was refused

    def refused(self, number: int, now: float, retry_after: float | None) -> None:
        """A request was refused, and the server asks to wait `retry_after` seconds (None: it does not say)."""
        self._refused = max(self._refused, number)
        self._until = max(self._until, now + (FIRST_PAUSE if retry_after is None else retry_after))

    def succeeded(self, number: int, now: float) -> bool:
        """A request was answered. Returns whether that lifted the hold."""
        if number > self._refused and self._until > now:
            self._until = now
            return True
        return False

    def wait(self, now: float) -> float:
        """Return the seconds until somebody may send."""
        return max(0.0, self._until - now)
