"""What is left of the limits that replies tell of, and how long to wait where nothing is.

A reply says how much remained when the server saw its request. What was sent later comes off it; what is in flight may
or may not have been counted yet. A server can say anything: no word of it stops everybody for more than a minute, and
one that is contradicted by what is answered is not listened to for a while.
"""

from __future__ import annotations

from bisect import bisect_left
from math import inf

from msgspec import Struct

from promptops.providers.admission.headers import Reading
from promptops.providers.admission.records import Ticket

LONGEST = 60.0  # seconds that one reading can make anybody wait
_DISTANT = 120.0  # seconds: a reset further away than this is no limit of a minute …
_BRIEFLY = 10.0  # … and is waited for this long, then tried
_MARGIN = 0.05  # seconds after a reset
_LIES, _DEAF, _DEAFEST = 3, 60.0, 600.0  # contradictions; seconds that it is not listened to, at first and at most
_ALIKE = 1.5  # two periods are the same where one is at most so many times the other


class Window(Struct):
    """One limit of one model. `number` is the first request that the last word on it may not have counted.

    `last` is the request whose reply said it.
    """

    tokens: bool
    number: int = 0
    last: int = -1
    remaining: float = inf
    limit: float | None = None
    told: float = -inf  # when
    ends: float = inf  # when nothing of the limit is used any more
    rate: float = 0.0  # what comes back every second, where it comes back bit by bit
    tried: bool = False  # whether it is asked again although nothing should remain
    lies: int = 0
    deaf_until: float = -inf
    deaf_for: float = _DEAF
    _seen: tuple[float, float] = (0.0, 0.0)  # how much was used, and the period that follows from the reset

    def read(self, reading: Reading, ticket: Ticket, now: float) -> None:
        """Take over what the reply to a request says.

        Who was sent before the last word was heard may have been seen before it, too, and can only say less.
        """
        if ticket.sent < self.told and reading.remaining >= self.remaining:
            if not ticket.refused and max(reading.remaining, self.left(0.0, now)) < 0.5:
                self._lied(now)  # nothing remained, and yet there was room for one that was on its way
            return
        self._learn_rate(reading)
        self.number, self.last, self.told, self.tried = ticket.bunch, ticket.number, now, False
        self.remaining, self.limit = reading.remaining, reading.limit
        self.ends = now + LONGEST if reading.reset is None else now + reading.reset + _MARGIN

    def answered(self, ticket: Ticket, now: float) -> None:
        """A request was answered; where too little remained for it, that was not true."""
        need = ticket.cost if self.tokens else 1.0
        if ticket.bunch > self.last and now < self.ends and (self.tried or self.left(0.0, now) < need / 2):
            if self.tried:
                self.lies = _LIES
            self._lied(now)

    def _lied(self, now: float) -> None:
        self.tried = False
        self.lies += 1
        if self.lies >= _LIES:
            self.deaf_until, self.lies = now + self.deaf_for, 0
            self.deaf_for = min(2 * self.deaf_for, _DEAFEST)

    def refused(self) -> None:
        """A request was refused: so there is a limit."""
        self.lies, self.deaf_until, self.deaf_for = 0, -inf, _DEAF

    def left(self, later: float, now: float) -> float:
        """What remains now, with `later` (requests or tokens) sent since."""
        return self.remaining + self.rate * (now - self.told) - later

    def wait(self, need: float, later: float, now: float) -> float:
        """Return the seconds until there is room for `need`; 0 where there is, or where nothing is known."""
        if self.remaining == inf or now < self.deaf_until:
            return 0.0
        until = min(self.ends, self.told + (LONGEST if self.ends - self.told <= _DISTANT else _BRIEFLY))
        if now >= until:
            self._begin_anew(until)
            return 0.0
        missing = (need if self.limit is None else min(need, self.limit)) - self.left(later, now)
        if missing <= 0:
            return 0.0
        return min(until - now, missing / self.rate if self.rate else inf)

    def _begin_anew(self, until: float) -> None:
        """The reset has come; or it is not waited for any longer."""
        self.tried = until < self.ends
        self.remaining = inf if self.limit is None or self.tried else self.limit
        if not self.tried:
            self.told, self.ends = until, until + LONGEST

    def _learn_rate(self, reading: Reading) -> None:
        """See whether the reset comes nearer with what remains, as it does where a limit refills bit by bit.

        Then the time until it is full, over the share that is used, is the same whatever is used.
        """
        if reading.limit is None or not reading.reset or reading.remaining >= reading.limit:
            return
        used = reading.limit - reading.remaining
        period = reading.reset * reading.limit / used
        before, then = self._seen
        if not before:
            self._seen = used, period
        elif not before / 2 < used < before * 2:
            alike = max(period, then) <= _ALIKE * min(period, then)
            self.rate = reading.limit / period if alike else 0.0
            self._seen = used, period


class Windows:
    """All limits of one model that its replies tell of."""

    def __init__(self) -> None:
        self._windows: dict[str, Window] = {}

    def read(self, readings: list[Reading], ticket: Ticket, now: float) -> None:
        """Take over what the reply to a request says."""
        for reading in readings:
            window = self._windows.get(reading.name)
            if window is None:
                if len(self._windows) >= 8:
                    return
                window = self._windows[reading.name] = Window(reading.tokens)
            window.read(reading, ticket, now)

    def ended(self, ticket: Ticket, now: float, *, limited: bool) -> None:
        """A request was answered, or refused because a limit was reached; to be told before `read`."""
        for window in self._windows.values():
            if limited:
                window.refused()
            elif not ticket.refused:
                window.answered(ticket, now)

    @property
    def known(self) -> bool:
        """Whether any reply told of a limit."""
        return bool(self._windows)

    def wait(self, tokens: float, flying: list[int], tokens_flying: float, now: float) -> float:
        """Return the seconds until one request of so many `tokens` may be sent.

        `flying` are the numbers of what is in flight, in order, `tokens_flying` their tokens.
        """
        longest = 0.0
        for window in self._windows.values():
            if window.tokens:
                wait = window.wait(tokens, tokens_flying, now)
            else:
                wait = window.wait(1.0, len(flying) - bisect_left(flying, window.number), now)
            longest = max(longest, wait)
        return longest
