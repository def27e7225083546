"""The queue before an endpoint: a request goes when every limit allows it, in the order of coming."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Container, Mapping
from typing import Protocol

from promptops.config import ModelLimits
from promptops.providers.admission.lane import NO_PLACE, Lane
from promptops.providers.admission.line import Waiter
from promptops.providers.admission.pauses import SharedPause
from promptops.providers.admission.places import HEARTBEAT, IMPATIENT, Places
from promptops.providers.admission.rates import Rate, Rates
from promptops.providers.admission.records import Outcome, Snapshot, Ticket
from promptops.providers.base import Limits
from promptops.providers.ledger import Ledger


class Cancellable(Protocol):
    """What `call_later` returns."""

    def cancel(self) -> None:
        """Do not call."""


class Admission:
    """Lets requests to one endpoint with one key go. Belongs to one event loop.

    `bucket` names endpoint and key (never the key itself) in the `ledger`, `clock` gives seconds and only goes forward,
    `call_later(seconds, function)` is the loop's. `models` has limits of single models besides those of `limits`, which
    count for all together; what replies teach is kept by model. `today` is the time of day in seconds since 1970, asked
    for replies that name a moment and have no `Date`.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        bucket: str,
        ledger: Ledger,
        clock: Callable[[], float],
        call_later: Callable[[float, Callable[[], None]], Cancellable] | None = None,
        models: Mapping[str, ModelLimits] | None = None,
        today: Callable[[], float] = time.time,
    ) -> None:
        self._limits, self._bucket, self._ledger, self._clock = limits, bucket, ledger, clock
        self._models = limits.models if models is None else models
        self._call_later, self._today = call_later, today
        self._places = Places(ledger, bucket, limits.concurrency)
        self._lanes: dict[str, Lane] = {}
        self._numbers = itertools.count()
        self._ranks = itertools.count()
        self._in_flight = 0
        self._why = ""
        self._timer: Cancellable | None = None
        self._wakes_at = float("inf")
        self._broken: Exception | None = None

    async def enter(self, *, model: str, tokens: int, urgent: bool = False) -> Ticket:
        """Wait until one request to `model` may be sent, and count it as in flight from now on.

        `tokens` is the most it can come to. Who is `urgent` (a request that was refused before) goes before those who
        are not; else it is first come, first served. The ticket must be given to `leave`, whatever happens. Raises
        `StoreError` where the ledger cannot be used.
        """
        if self._broken is not None:
            error, self._broken = self._broken, None
            raise error
        lane = self._lanes.get(model) or self._open(model)
        now = self._clock()
        if not lane.line and isinstance(ticket := self._admit(lane, tokens, now, also=1), Ticket):
            if self._timer is None:
                self._wake_in(HEARTBEAT, now)
            return ticket
        waiter = Waiter(asyncio.get_running_loop().create_future(), tokens, (not urgent, next(self._ranks)))
        lane.line.push(waiter)
        self._pump(now)
        return await self._turn(waiter)

    def leave(self, ticket: Ticket, outcome: Outcome | None) -> None:
        """Give a ticket back; `outcome` None: it was cancelled, and nothing is learned. Never raises."""
        now = self._clock()
        lane = self._lanes[ticket.model]
        self._in_flight -= 1
        try:
            lane.end(ticket, outcome, now)
            self._places.tell(using=self._in_flight, wanted=self._wanted(), now=now)
        except Exception as error:
            self._fail(error)
            return
        if self._waiting():
            self._pump(now)
        elif not self._in_flight:
            self._sleep()

    def held(self, model: str) -> float:
        """Return the seconds for which a refusal keeps requests to `model` waiting."""
        lane = self._lanes.get(model)
        return lane.held(self._clock()) if lane is not None else 0.0

    def snapshot(self) -> Snapshot:
        """Return how it stands now."""
        waiting = self._waiting()
        limit = sum(lane.concurrency.limit for lane in self._lanes.values())
        return Snapshot(
            self._in_flight,
            waiting,
            min(limit, self._places.limit) if self._lanes else float(self._places.limit),
            self._why if waiting else "",
        )

    def outage(self) -> None:
        """The breaker has opened: until it closes, what fails says nothing of how many may be in flight."""
        for lane in self._lanes.values():
            lane.concurrency.outage(self._clock())

    def recovered(self) -> None:
        """The breaker has closed."""
        now = self._clock()
        for lane in self._lanes.values():
            lane.concurrency.recovered(now)
        if self._waiting():
            self._pump(now)

    def dismiss(self, error: Callable[[], Exception]) -> None:
        """Send away whoever waits, each with an error of its own: nothing will be sent for a long while."""
        for lane in self._lanes.values():
            for waiter in lane.line.dismiss():
                waiter.turn.set_exception(error())

    def close(self) -> None:
        """Give all places back and cancel whoever waits. May be called twice; the ledger stays open."""
        self._sleep()
        for lane in self._lanes.values():
            for waiter in lane.line.dismiss():
                waiter.turn.cancel()
        self._places.tell(using=0, wanted=0, now=self._clock())

    async def _turn(self, waiter: Waiter) -> Ticket:
        try:
            return await waiter.turn
        except asyncio.CancelledError:
            if waiter.turn.done() and not waiter.turn.cancelled() and waiter.turn.exception() is None:
                self.leave(waiter.turn.result(), None)  # its turn had come, and nobody was there any more
            waiter.turn.cancel()
            raise

    def _pump(self, now: float) -> None:
        """Let everybody go who may, then sleep until somebody may next."""
        try:
            wait = self._serve(now)
        except Exception as error:
            self._fail(error)
            return
        self._wake_in(min(wait, HEARTBEAT), now)

    def _serve(self, now: float) -> float:
        blocked: dict[str, float] = {}
        while (lane := self._next_lane(blocked)) is not None and (head := lane.line.head()) is not None:
            admitted = self._admit(lane, head.tokens, now)
            if isinstance(admitted, Ticket):
                lane.line.pop()
                head.turn.set_result(admitted)
            else:
                blocked[lane.model] = admitted
        return min(blocked.values(), default=float("inf"))

    def _next_lane(self, blocked: Container[str]) -> Lane | None:
        """The lane of who has waited longest, of those that may hold somebody who may go."""
        found: Lane | None = None
        first = (True, 0)
        for lane in self._lanes.values():
            if lane.model in blocked or (head := lane.line.head()) is None:
                continue
            if found is None or head.rank < first:
                found, first = lane, head.rank
        return found

    def _admit(self, lane: Lane, tokens: int, now: float, *, also: int = 0) -> Ticket | float:
        """Return a ticket where every limit allows it, else the seconds after which to look again."""
        wait, why = lane.obstacle(tokens, now)
        if wait <= 0:
            wanted = self._wanted() + also
            if not self._places.has_one(using=self._in_flight, wanted=wanted, now=now):
                wait, why = IMPATIENT, NO_PLACE
            else:
                wait, why = lane.rates.take(tokens, now)
        if wait > 0:
            self._why = why
            return wait
        self._in_flight += 1
        return lane.send(next(self._numbers), tokens, now)

    def _waiting(self) -> int:
        return sum(len(lane.line) for lane in self._lanes.values())

    def _wanted(self) -> int:
        """How many would be in flight if there were places for all."""
        return sum(lane.wanted for lane in self._lanes.values())

    def _wake_in(self, seconds: float, now: float) -> None:
        at = now + seconds
        if self._timer is not None:
            if self._wakes_at <= at:
                return
            self._timer.cancel()
        later = self._call_later or asyncio.get_running_loop().call_later
        self._wakes_at, self._timer = at, later(max(seconds, 0.001), self._wake)

    def _wake(self) -> None:
        self._timer, now = None, self._clock()
        if not self._waiting() and not self._in_flight:
            return
        try:
            self._places.tell(using=self._in_flight, wanted=self._wanted(), now=now)
        except Exception as error:
            self._fail(error)
            return
        self._pump(now)

    def _sleep(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fail(self, error: Exception) -> None:
        """The ledger cannot be used: whoever waits learns it, else who comes next."""
        waiters = [waiter for lane in self._lanes.values() for waiter in lane.line.dismiss()]
        for waiter in waiters:
            waiter.turn.set_exception(error)
        if not waiters:
            self._broken = error

    def _open(self, model: str) -> Lane:
        own = self._models.get(model) or ModelLimits()
        name = f"{self._bucket} {model}"
        tokens = [Rate(f"{name} tpm", own.tpm, "tokens a minute of the model")] if own.tpm else []
        requests = [Rate(f"{name} rpm", own.rpm, "requests a minute of the model")] if own.rpm else []
        if self._limits.tpm:
            tokens.append(Rate(f"{self._bucket} tpm", self._limits.tpm, "tokens a minute"))
        if self._limits.rpm:
            requests.append(Rate(f"{self._bucket} rpm", self._limits.rpm, "requests a minute"))
        limit = min(own.concurrency or self._places.limit, self._places.limit)
        lane = self._lanes[model] = Lane(
            model,
            limit,
            Rates(self._ledger, tokens, requests),
            SharedPause(self._ledger, name),
            adaptive=self._limits.adaptive and not self._limits.fixed,
            today=self._today,
        )
        return lane
