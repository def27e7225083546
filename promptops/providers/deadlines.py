"""How long is waited for what of one attempt: for the connection, the first token, the next piece, the whole."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

EXCUSE = 2.0  # seconds for the body of an error, which comes with its head or is not worth waiting for


class Waits(Struct, frozen=True):
    """Seconds, each of them within the attempt's deadline; None: only that holds.

    `connect` is for the connection (name, TCP and TLS), `first_token` from sending to the first token (for a reply
    that is no stream: to the first byte of its body), `idle` for the next piece after any other.
    """

    connect: float = 10.0
    first_token: float | None = None
    idle: float | None = None


class Watch:
    """One attempt by `clock`, seconds: until when is waited now, and what was missing if that passes."""

    def __init__(self, waits: Waits, *, deadline: float, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.began = self._clock()
        self.first_token: float | None = None
        self._pieces = 0
        self._last_token = 0.0
        self._ended: float | None = None
        self.has_steps = waits.first_token is not None or waits.idle is not None
        self._waits, self._deadline = waits, deadline

    def head(self) -> float:
        """Return the time until which the head of the reply is waited for."""
        self._until, self._missing, self._seconds = self._deadline, "no complete reply", self._deadline - self.began
        if self.first_token is None and (seconds := self._waits.first_token) is not None:
            self._wait_for("no first token", seconds, self.began + seconds)
        return self._until

    def piece(self) -> float:
        """Return the time until which the next piece is waited for, now that there was one."""
        self.head()
        if (seconds := self._waits.idle) is not None:
            self._wait_for("nothing in the middle of the reply", seconds, self._clock() + seconds)
        return self._until

    def excuse(self) -> float:
        """Return the time until which the body of an error is waited for."""
        return min(self._deadline, self._clock() + EXCUSE)

    def token(self, pieces: int = 1) -> None:
        """Note that the first token is here, and how many pieces are by now."""
        if pieces != self._pieces:
            self._pieces, self._last_token = pieces, self._clock() - self.began
        if self.first_token is None:
            self.first_token = self._clock() - self.began

    @property
    def token_gap(self) -> float | None:
        """Seconds from one piece of the reply to the next, in the mean; None with fewer than two."""
        if self._pieces < 2 or self.first_token is None:
            return None
        return max(0.0, self._last_token - self.first_token) / (self._pieces - 1)

    def end(self) -> float:
        """Return how many seconds the reply took, up to the first time that this was asked."""
        if self._ended is None:
            self._ended = self._clock() - self.began
        return self._ended

    def missing(self) -> str | None:
        """Return what was not there in time: `no complete reply within 60 s`. None where there is still time."""
        return f"{self._missing} within {max(0.0, self._seconds):.3g} s" if self._clock() >= self._until else None

    def _wait_for(self, what: str, seconds: float, until: float) -> None:
        if until < self._until:
            self._missing, self._seconds, self._until = what, seconds, until
