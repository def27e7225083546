"""When everybody pauses because somebody was refused: how long, and how it is found out that there was no need to.

A refusal (429) means one of two things. Either a limit is reached, and whatever is sent now is refused too; or the
endpoint refuses now one and now another, whatever we do, and a pause is lost time. The difference shows in requests
that were sent *later* than a refused one: where they are answered, the pause ends, and the next refusal is trusted
less; where they are refused too, it is trusted more.
"""

from __future__ import annotations

from math import inf

from promptops.providers.admission.records import Ticket

LONGEST = 120.0  # seconds that a word of the server can hold everybody
FIRST_PAUSE = 0.05  # seconds before the first probe, where the server does not say how long to wait
GROWTH = 0.3  # the next probe comes when the pause has lasted this much longer
LONGEST_GAP = 10.0  # seconds between two probes

_BELIEVED = 0.5
_TRUST = 0.8  # the share of requests sent after a refusal that is expected to be refused, before anything is known
_FRESH, _FADING = 2.0, 0.95  # so much evidence is needed to speak of it, each weighing less with every outcome since
_WEIGHT = 0.1  # of the newest outcome in it; the first ones weigh more


class Hold:
    """The pause of one model. Requests have numbers in the order of sending; times are of a clock that goes forward.

    Where the server says how long, everybody waits so long. Where it does not, or where the wait was in vain, single
    requests probe after longer and longer gaps, and all go when one is answered.
    """

    def __init__(self) -> None:
        self._until = -inf
        self._refused = self._answered = -1  # the newest of each
        self._suspected_until = -inf
        self._trust, self._seen, self._fresh = _TRUST, 0, 0.0
        self._began: float | None = None  # the first refusal since something sent later was answered
        self._lasted = 0.0  # the last pause that a probe ended, in seconds
        self._single = False
        self._probe: int | None = None
        self._doubt_in = self._doubt_gap = 1  # pauses until one is put to the test, and from then to the next

    @property
    def trust(self) -> float:
        """The share, in [0, 1], of requests sent soon after a refused one that is expected to be refused too."""
        return self._trust

    @property
    def until(self) -> float:
        """The end of the pause; in the past where there is none."""
        return self._until

    @property
    def believed(self) -> bool:
        """Whether a refusal stops the others."""
        return self._trust >= _BELIEVED

    @property
    def clustered(self) -> float:
        """The same, as far as it was seen and not only supposed; 0 where too little was."""
        return self._trust if self._fresh >= _FRESH else 0.0

    def refused(self, number: int, sent: float, now: float, *, retry_after: float | None, in_doubt: bool) -> None:
        """A request was refused; the server asks to wait `retry_after` seconds (None: it does not say).

        `in_doubt` says whether requests that were sent later are in flight.
        """
        if number == self._probe:
            self._probe = None
        if self._answered > number:  # what was sent later went through before: this refusal is history
            return
        again = self._began is not None and sent > self._began
        self._began = now if self._began is None else self._began
        self._refused = max(self._refused, number)
        if self.believed:
            first = retry_after is None and not again
            longer = self._lasted / 2 if first else GROWTH * (now - self._began)
            pause = max(_asked(retry_after), min(longer, LONGEST_GAP))
            self._pause(now, pause, single=again or retry_after is None, in_doubt=in_doubt)

    def answered(self, number: int, now: float) -> None:
        """A request was answered; a pause ends if it was sent after what was refused."""
        if number == self._probe and self._began is not None:
            self._lasted = now - self._began
        self._answered = max(self._answered, number)
        if number > self._refused and self._began is not None:
            self._go(now)
            self._began = None

    def learn(self, ticket: Ticket, now: float) -> None:
        """Take from a request, in the order of sending, how far one refusal foretells the next."""
        refused = bool(ticket.refused)
        self._fresh *= _FADING
        if ticket.sent < self._suspected_until:
            self._seen, self._fresh = self._seen + 1, self._fresh + 1
            self._doubt_gap = min(2 * self._doubt_gap, 64) if refused else 1
            self._doubt_in = self._doubt_in if refused else 0
            self._trust += max(_WEIGHT, 1 / (self._seen + 3)) * (refused - self._trust)
            if not self.believed:
                self._go(now)
        if refused and ticket.ended is not None:
            self._suspected_until = max(self._suspected_until, ticket.ended + _asked(ticket.retry_after))

    def failed(self, number: int) -> None:
        """A request ended in a way that says nothing of limits."""
        if number == self._probe:
            self._probe = None

    def sent(self, number: int) -> bool:
        """A request is sent; returns whether it is the probe."""
        if self._single:
            self._probe = number
        return self._single

    def wait(self, now: float) -> float:
        """Return the seconds until the next request may be sent; infinity: not before the probe has come back."""
        if self._until > now:
            return self._until - now
        return inf if self._probe is not None else 0.0

    def _pause(self, now: float, pause: float, *, single: bool, in_doubt: bool) -> None:
        if not in_doubt and not single:
            self._doubt_in -= 1
            if self._doubt_in < 0:  # look whether it is true what the server says
                pause, single, self._doubt_in = pause / 2, True, self._doubt_gap
        self._until = max(self._until, now + pause) if not self._single else now + pause
        self._single = self._single or single

    def _go(self, now: float) -> None:
        self._until, self._single, self._probe = min(self._until, now), False, None


def _asked(retry_after: float | None) -> float:
    return FIRST_PAUSE if retry_after is None else min(retry_after, LONGEST)
