"""One model at one endpoint: what is in flight, what its replies have taught, whether one more may be sent."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from math import ceil, inf

from promptops.providers.admission.concurrency import Concurrency
from promptops.providers.admission.headers import read
from promptops.providers.admission.holds import Hold
from promptops.providers.admission.line import Line
from promptops.providers.admission.order import Order
from promptops.providers.admission.pauses import SharedPause
from promptops.providers.admission.rates import Rates
from promptops.providers.admission.records import Outcome, Ticket
from promptops.providers.admission.windows import Windows

NO_PLACE = "as many as allowed are in flight"
_REFUSED = frozenset({"rate_limit", "server", "timeout"})  # what may have to do with how much is sent
_ANSWERED = frozenset({None, "identity", "bad_reply", "request"})
_BUNCH = 0.01  # seconds: what is sent within so many may arrive in any order
_FADING = 0.98  # of the most tokens that a request came to, with every further one
_MORE = 1.25  # times as many as that are expected


class Lane:
    """The limits of one model, configured and learned. `line` are those who wait for it.

    `limit` is its configured concurrency, `adaptive` whether fewer are sent where that helps, `rates` what a minute
    allows, `today` the time of day in seconds since 1970. All other times are of the admission's clock.
    """

    def __init__(
        self, model: str, limit: int, rates: Rates, pause: SharedPause, *, adaptive: bool, today: Callable[[], float]
    ) -> None:
        self.model, self.limit, self.rates = model, limit, rates
        self.line = Line()
        self.concurrency = Concurrency(limit, adaptive=adaptive)
        self._today = today
        self._hold, self._order, self._windows, self._pause = Hold(), Order(), Windows(), pause
        self._flying: list[int] = []
        self._bunch = 0, -inf  # the first of those that are sent together, and when
        self._tokens_flying = 0.0
        self._most_tokens = 0.0

    @property
    def in_flight(self) -> int:
        """How many requests are in flight."""
        return len(self._flying)

    @property
    def wanted(self) -> int:
        """How many would be in flight now if there were places for all."""
        return min(self.in_flight + len(self.line), max(self.in_flight, ceil(self.concurrency.limit)))

    def obstacle(self, tokens: int, now: float) -> tuple[float, str]:
        """Return the seconds until one more request may be sent (infinity: when one has ended), and why."""
        if len(self._flying) >= self.limit:
            return inf, NO_PLACE
        for known in self._order.counted(now):
            self._learn(known, now)
        if (wait := self.held(now)) > 0:
            return wait, "the provider asks to wait"
        if self._windows.known:
            wait = self._windows.wait(self._cost(tokens), self._flying, self._tokens_flying, now)
            if wait > 0:
                return wait, "the provider's limit is used up"
        return self.concurrency.wait(now), "fewer at a time are refused less"

    def held(self, now: float) -> float:
        """Return the seconds for which a refusal of ours, or of another process, keeps everybody waiting."""
        wait = self._hold.wait(now)
        return max(wait, self._pause.wait(now)) if self._hold.believed else wait

    def send(self, number: int, tokens: int, now: float) -> Ticket:
        """Count one more request as in flight."""
        if now > self._bunch[1] + _BUNCH:
            self._bunch = number, now
        ticket = Ticket(self.model, number, now, tokens, self._cost(tokens), self._bunch[0])
        ticket.epoch, ticket.probe = self.concurrency.sent(now), self._hold.sent(number)
        ticket.daring = self.concurrency.daring and not ticket.probe
        self._flying.append(number)
        self._tokens_flying += ticket.cost
        self._order.sent(ticket)
        return ticket

    def end(self, ticket: Ticket, outcome: Outcome | None, now: float) -> None:
        """One request less is in flight; take from its outcome what it says of the limits.

        Raises what the ledger raises, when everything else is done.
        """
        del self._flying[bisect_left(self._flying, ticket.number)]
        self._tokens_flying -= ticket.cost
        failure = outcome.failure if outcome is not None else "cancelled"
        ticket.ended = now
        ticket.refused = True if failure in _REFUSED else False if failure in _ANSWERED else None
        self.concurrency.ended(ticket, now)
        if outcome is not None and outcome.headers:
            self._read(ticket, outcome, now)
        if outcome is None or ticket.refused is None:
            self._hold.failed(ticket.number)
        elif not ticket.refused:
            self._hold.answered(ticket.number, now)
        else:
            self._refused(ticket, outcome, now)
        if ticket.refused and ticket.presumed:
            self._learn(ticket, now)
        for known in self._order.counted(now):
            self._learn(known, now)
        self._settle(ticket, outcome)
        used_up = self._windows.wait(ticket.cost, [], 0.0, now) if self._windows.known else 0.0
        self._pause.tell(max(self._hold.until, now + used_up) if used_up else self._hold.until, now)

    def _refused(self, ticket: Ticket, outcome: Outcome, now: float) -> None:
        if outcome.failure != "timeout":
            self._order.took(now - ticket.sent)
        if outcome.failure != "rate_limit" and outcome.retry_after is None:
            self._hold.failed(ticket.number)
            return
        if ticket.daring:
            self.concurrency.dared(now)  # it was one too many: fewer are in flight again, and that is enough
            self._hold.failed(ticket.number)
            return
        ticket.retry_after = outcome.retry_after
        if ticket.retry_after is None and self._windows.known:
            ticket.retry_after = self._windows.wait(ticket.cost, self._flying, self._tokens_flying, now) or None
        doubt = bool(self._flying) and self._flying[-1] > ticket.number
        self._hold.refused(ticket.number, ticket.sent, now, retry_after=ticket.retry_after, in_doubt=doubt)

    def _read(self, ticket: Ticket, outcome: Outcome, now: float) -> None:
        if ticket.refused is not None and self._windows.known:
            self._windows.ended(ticket, now, limited=outcome.failure == "rate_limit")
        if readings := read(outcome.headers, today=self._today):
            self._windows.read(readings, ticket, now)

    def _learn(self, ticket: Ticket, now: float) -> None:
        self._hold.learn(ticket, now)
        self.concurrency.learn(ticket, now, clustered=self._hold.clustered)

    def _settle(self, ticket: Ticket, outcome: Outcome | None) -> None:
        """Count the tokens as they turned out; where nobody says, as many as others came to at most."""
        used: float = ticket.tokens
        if outcome is not None and outcome.failure == "rate_limit":
            used = 0
        elif outcome is not None and outcome.tokens is not None:
            used = outcome.tokens
            self._most_tokens = max(_FADING * self._most_tokens, used)
        elif self._most_tokens:
            used = min(used, self._most_tokens)
        self.rates.settle(taken=ticket.tokens, used=int(used))

    def _cost(self, tokens: int) -> float:
        return min(float(tokens), _MORE * self._most_tokens) if self._most_tokens else float(tokens)
