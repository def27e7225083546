"""One model at one endpoint: who waits for it, what is in flight, what its replies have taught."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from math import inf

from promptops.providers.admission.concurrency import Concurrency
from promptops.providers.admission.holds import Hold
from promptops.providers.admission.order import Order
from promptops.providers.admission.rates import Rates
from promptops.providers.admission.records import Outcome, Ticket

NO_PLACE = "as many as allowed are in flight"
NEUTRAL = frozenset({"cancelled", "connection", "auth", "request", "not_found", "bad_reply", "identity", "budget"})


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
        self.concurrency = Concurrency(limit)
        self.order = Order()
        self.newest = -1
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
        for known in self.order.counted(now):
            self._learn(known, now)
        if self.in_flight >= self.limit:
            return inf, NO_PLACE
        if (wait := self.hold.wait(now)) > 0:
            return wait, "the provider asks to wait"
        return self.concurrency.wait(now), "fewer at a time are refused less"

    def send(self, number: int, tokens: int, now: float) -> Ticket:
        """Count one more request as in flight."""
        self.in_flight += 1
        self.newest = number
        ticket = Ticket(self.model, number, now, tokens, self.concurrency.sent(now), self.hold.sent(number))
        ticket.daring = self.concurrency.daring and not ticket.probe
        self.order.sent(ticket)
        return ticket

    def end(self, ticket: Ticket, outcome: Outcome | None, now: float) -> None:
        """One request less is in flight; take from its outcome what it says of the limits."""
        self.in_flight -= 1
        failure = outcome.failure if outcome is not None else "cancelled"
        refused = None if failure in NEUTRAL else failure is not None
        ticket.ended, ticket.refused = now, refused
        self.concurrency.ended(now - ticket.sent, now, refused=refused)
        if outcome is None or refused is None:
            self.hold.failed(ticket.number)
        elif not refused:
            self.hold.answered(ticket.number, now)
        else:
            self._refused(ticket, outcome, now)
        if refused and ticket.presumed:
            self._learn(ticket, now)
        for known in self.order.counted(now):
            self._learn(known, now)

    def _refused(self, ticket: Ticket, outcome: Outcome, now: float) -> None:
        if outcome.failure != "timeout":
            self.order.took(now - ticket.sent)
        if outcome.failure != "rate_limit" and outcome.retry_after is None:
            self.hold.failed(ticket.number)
            return
        ticket.retry_after = outcome.retry_after
        if ticket.daring:
            self.concurrency.dared(now)  # it was one too many: fewer are in flight again, and that is enough
            self.hold.failed(ticket.number)
            return
        doubt = self.newest > ticket.number
        self.hold.refused(ticket.number, ticket.sent, now, retry_after=outcome.retry_after, in_doubt=doubt)

    def _learn(self, ticket: Ticket, now: float) -> None:
        self.hold.learn(ticket, now)
        self.concurrency.learn(ticket, now, clustered=self.hold.clustered)
