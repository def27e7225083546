"""How many requests may be in flight, by agreement with everybody else who asks the same endpoint."""

from __future__ import annotations

from promptops.providers.ledger import Ledger

HEARTBEAT = 0.25  # seconds within which a busy participant asks, so that a newcomer gets its share
IMPATIENT = 0.1  # seconds between two questions while there are fewer places than wanted
GENEROUS = 0.02  # seconds between two answers to others while there are fewer places than wanted


class Places:
    """The places of one bucket that this participant has. `limit` is the configured concurrency."""

    def __init__(self, ledger: Ledger, bucket: str, limit: int) -> None:
        self._ledger, self._bucket, self.limit = ledger, bucket, limit
        self.granted = 0
        self._wanted = 0
        self._asked = float("-inf")

    def has_one(self, *, using: int, wanted: int, now: float) -> bool:
        """Whether one more may be in flight beside `using`; asks for `wanted` in all where it is time to."""
        if using < self.granted:
            return True
        wanted = min(wanted, self.limit)
        if wanted <= using or (wanted <= self._wanted and now < self._asked + IMPATIENT):
            return False
        self._ask(using, wanted, now)
        return using < self.granted

    def tell(self, *, using: int, wanted: int, now: float) -> None:
        """Say how it stands, now and then, and soon where others wait for a place; gives all back when idle."""
        if not using and not wanted:
            if self._wanted:
                self._ask(0, 0, now)
        elif now >= self._asked + (GENEROUS if self.granted < self._wanted else HEARTBEAT):
            self._ask(using, min(max(using, wanted), self.limit), now)

    def _ask(self, using: int, wanted: int, now: float) -> None:
        self._asked, self._wanted = now, wanted
        self.granted = self._ledger.places(self._bucket, limit=self.limit, using=using, wanted=wanted)
