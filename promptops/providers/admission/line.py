"""Who waits for one model: first come, first served, those who were refused before ahead of the others."""

from __future__ import annotations

import asyncio
from collections import deque

from msgspec import Struct

from promptops.providers.admission.records import Ticket


class Waiter(Struct):
    """One request that waits for its `turn`. `rank` orders all of an admission: the lowest is next."""

    turn: asyncio.Future[Ticket]
    tokens: int
    rank: tuple[bool, int]


class Line:
    """The waiters, those whose rank begins with False before the others."""

    def __init__(self) -> None:
        self._first: deque[Waiter] = deque()
        self._rest: deque[Waiter] = deque()

    def __len__(self) -> int:
        """How many wait, with those who were cancelled since."""
        return len(self._first) + len(self._rest)

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
