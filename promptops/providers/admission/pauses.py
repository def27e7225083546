"""A pause that all processes keep: what one was told counts for the others."""

from __future__ import annotations

from promptops.providers.ledger import Ledger

_EVERY = 0.05  # seconds between two looks at what others were told, and the shortest pause worth telling


class SharedPause:
    """The pause of one bucket. Times are seconds of the admission's clock; raises what the ledger raises."""

    def __init__(self, ledger: Ledger, bucket: str) -> None:
        self._ledger, self._bucket = ledger, bucket
        self._told = self._looked = self._until = float("-inf")

    def tell(self, until: float, now: float) -> None:
        """Tell the others that we pause until then, or, where that is over before its time, that it is over."""
        if until > max(self._told, now) + _EVERY:
            self._told = self._until = until
            self._ledger.hold(self._bucket, until - now)
        elif until <= now < self._told:
            self._told = self._until = now
            self._ledger.hold(self._bucket, 0.0)

    def wait(self, now: float) -> float:
        """Return the seconds that anybody was told to wait."""
        if now >= self._looked + _EVERY:
            self._looked = now
            self._until = now + self._ledger.held(self._bucket)
        return max(0.0, self._until - now)
