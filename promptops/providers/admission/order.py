"""Outcomes in the order of sending, whatever comes back first.

A refusal is mostly there long before an answer. Counted as they come, the first outcomes would all be refusals, and so
would be what is concluded from them. What has been on its way for much longer than refusals take is taken for answered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from promptops.providers.admission.records import Ticket

_WEIGHT = 0.2  # of the newest refusal in how long refusals take
_TIMES, _MORE = 2.0, 0.005  # so many times as long, and so many seconds more


class Order:
    """The tickets of one model that are in flight or not yet counted; times are of a clock that goes forward."""

    def __init__(self) -> None:
        self._tickets: deque[Ticket] = deque()
        self._takes: float | None = None

    def sent(self, ticket: Ticket) -> None:
        """A request is sent, the newest of all."""
        self._tickets.append(ticket)

    def took(self, seconds: float) -> None:
        """A refusal took so long."""
        self._takes = seconds if self._takes is None else self._takes + _WEIGHT * (seconds - self._takes)

    def counted(self, now: float) -> Iterator[Ticket]:
        """Yield, each once, the tickets whose end is known or presumed; presumed ones have no `ended`."""
        tickets = self._tickets
        while tickets:
            ticket = tickets[0]
            if ticket.ended is None:
                if self._takes is None or now - ticket.sent < _TIMES * self._takes + _MORE:
                    return
                ticket.presumed = True
            tickets.popleft()
            if ticket.refused is not None or ticket.presumed:
                yield ticket
