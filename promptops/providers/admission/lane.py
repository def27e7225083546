"""One model at one endpoint: who waits for it, what is in flight, what its replies have taught."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from promptops.providers.admission.holds import Hold
from promptops.providers.admission.rates import Rates
from promptops.providers.admission.records import Outcome, Ticket


@dataclass(slots=True)
class Waiter:
    """One request in the queue; `rank` orders them, those that were refused before come first."""

    turn: asyncio.Future[Ticket]
    tokens: int
    rank: tuple[bool, int]


class Lane:
    """The queue of one model and the state of its limits.

    `limit` is its configured concurrency, `rates` what a minute allows; times are seconds of the admission's clock.
    """

    def __init__(self, model: str, limit: int, rates: Rates) -> None:
        self.model, self.limit, self.rates = model, limit, rates
        self.in_flight = 0
        self.hold = Hold()
        self._first: deque[Waiter] = deque()
        self._rest: deque[Waiter] = deque()

    def push(self, waiter: Waiter) -> None:
        """Queue up."""
        (self._rest if waiter.rank[0] else self._first).append(waiter)

    def head(self) -> Waiter | None:
        """Return who is next, None where nobody waits."""
        for line in (self._first, self._rest):
            while line:
                if not line[0].turn.done():
                    return line[0]
                line.popleft()
        return None

    def pop(self) -> None:
        """Take the head out of the queue."""
        (self._first or self._rest).popleft()

    def dismiss(self) -> list[Waiter]:
        """Empty the queue; returns everybody who waited."""
        everybody = [waiter for waiter in (*self._first, *self._rest) if not waiter.turn.done()]
        self._first.clear()
        self._rest.clear()
        return everybody

    @property
    def waiting(self) -> int:
        """How many wait, counting those that were cancelled since."""
        return len(self._first) + len(self._rest)

    def obstacle(self, now: float) -> tuple[float, str]:
        """Return the seconds until the next request may be sent (infinity: when one has ended), and why."""
        if self.in_flight >= self.limit:
            return float("inf"), "as many as allowed are in flight"
        return self.hold.wait(now), "the provider asks to wait"

    def learn(self, ticket: Ticket, outcome: Outcome, now: float) -> None:
        """Take from an outcome what it says of the limits."""
        if outcome.failure is None:
            self.hold.succeeded(ticket.number, now)
        elif outcome.failure == "rate_limit":
            self.hold.refused(ticket.number, now, outcome.retry_after)
