"""One sample on its way: attempt after attempt, endpoint after endpoint, until a reply or the last failure."""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from promptops.core.pricing import input_bound
from promptops.errors import PromptopsError, ProviderError
from promptops.models import Attempt, Failure, Reply, Request
from promptops.providers.admission import Outcome, Ticket
from promptops.providers.base import Allowance, Exchange
from promptops.providers.endpoint import Endpoint, choose
from promptops.providers.hedging import Begun, Hedges, NotHedged
from promptops.providers.identity import check_reply
from promptops.providers.retrying import CAN_PASS, LONGEST_RETRY_AFTER, RetryBudget, backoff

logger = logging.getLogger("promptops")


_MOVE_ON = 0.25  # seconds that a sample waits for its turn before it looks whether another endpoint is free


class _Elsewhere(Exception):
    """The turn has not come: it is time to choose again."""


class Stopped(PromptopsError):
    """The allowance, or the end of the run, forbids the next request."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.message)


class Asking(Struct):
    """What is known of one sample while it is asked for. `attempts` grows with every request that was sent.

    `route` are the endpoints that serve the same pin, the pin's own first; `begun` is called before every request,
    and none is sent where `stopped` says so.
    """

    route: Sequence[Endpoint]
    request: Request
    seed: int
    retries: RetryBudget
    hedges: Hedges
    allowance: Allowance | None
    sleep: Callable[[float], Awaitable[object]]
    chance: Callable[[], float]
    stopped: Callable[[], bool] = lambda: False
    begun: Callable[[], object] = lambda: None
    attempts: list[Attempt] = field(default_factory=list)
    _avoid: set[str] = field(default_factory=set)
    _failures: int = 0
    _last: str = ""
    _idempotency: str = field(default_factory=lambda: _new_key())
    _began: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    async def reply(self) -> Reply:
        """Ask until there is a reply; raises the last `ProviderError` where there is none, or `Stopped`."""
        while True:
            endpoint = choose(self.route, self._avoid, model=self.request.pin.model, now=_now())
            try:
                served, reply = await self._first_of(endpoint)
            except _Elsewhere:
                continue
            except ProviderError as error:
                self._last = str(error)
                wait = self._wait(endpoint, error)
                if wait is None:
                    raise ProviderError(error.kind, self.told(str(error)), status=error.status) from error
                logger.debug("%s: %s; again in %.1f s", endpoint.name, error.kind, wait)
                if wait:
                    await self.sleep(wait)
                continue
            self.retries.succeeded()
            other = served.name if served.name != self.request.pin.provider else None
            if len(self.attempts) == 1 and other is None:
                return reply
            return replace(reply, attempts=len(self.attempts), endpoint=other)

    def told(self, text: str) -> str:
        """A failure's message, with how often was asked and what the last failure was."""
        notes = [f"asked {len(self.attempts)} times"] if len(self.attempts) > 1 else []
        if self._last and self._last not in text:
            notes.append(f"the last failure: {self._last}")
        return f"{text} ({'; '.join(notes)})" if notes else text

    async def _first_of(self, endpoint: Endpoint) -> tuple[Endpoint, Reply]:
        """Ask an endpoint; where that takes long and may be hedged, another one or the same besides."""
        after = endpoint.limits.hedge_after
        if after is None:
            return endpoint, await self._attempt(endpoint)
        return await self.hedges.first(
            lambda begun: self._told_by(endpoint, begun),
            lambda: self._hedge(endpoint),
            after=after,
            share=endpoint.limits.hedge_share,
        )

    async def _told_by(self, endpoint: Endpoint, begun: Begun) -> tuple[Endpoint, Reply]:
        return endpoint, await self._attempt(endpoint, begun)

    async def _hedge(self, slow: Endpoint) -> tuple[Endpoint, Reply]:
        """Ask a second time, elsewhere if there is an elsewhere, but only where there is a place soon."""
        other = choose(self.route, {*self._avoid, slow.name}, model=self.request.pin.model, now=_now())
        try:
            async with asyncio.timeout(_MOVE_ON):
                ticket, probe = await self._turn(other, urgent=True)
        except (TimeoutError, Stopped, ProviderError):
            raise NotHedged from None
        return other, await self._send(other, ticket, probe=probe, hedge=True)

    async def _attempt(self, endpoint: Endpoint, begun: Begun | None = None) -> Reply:
        """Send one request, in turn. The time allowed is counted from sending, not from waiting for a place."""
        if len(self.route) == 1:
            ticket, probe = await self._turn(endpoint)
        else:
            try:
                async with asyncio.timeout(_MOVE_ON):
                    ticket, probe = await self._turn(endpoint)
            except TimeoutError:
                raise _Elsewhere from None
        self.hedges.sent()
        if begun is not None:
            begun.set_result(None)
        return await self._send(endpoint, ticket, probe=probe, hedge=False)

    async def _turn(self, endpoint: Endpoint, *, urgent: bool = False) -> tuple[Ticket, bool]:
        """Wait for breaker, queue and allowance; returns whether the request is the breaker's probe, too."""
        ticket: Ticket | None = None
        probe = sent = False
        try:
            while ticket is None:
                self._go_on()
                probe = await endpoint.pass_breaker(_now)
                ticket = await self._enter(endpoint, urgent=urgent or bool(self.attempts))
                if not probe and not endpoint.breaker.closed:  # it opened while this one stood in the queue
                    endpoint.admission.leave(ticket, None)
                    ticket = None
            self._go_on()
            if self.allowance is not None and (refused := await self.allowance.hold(self.request)):
                raise Stopped(refused)
            sent = True
            return ticket, probe
        finally:
            if not sent:
                endpoint.abandoned(probe=probe)
                if ticket is not None:
                    endpoint.admission.leave(ticket, None)

    def _go_on(self) -> None:
        if self.stopped():
            raise Stopped(Failure("cancelled", "the run ended before this sample was asked"))

    async def _enter(self, endpoint: Endpoint, *, urgent: bool) -> Ticket:
        tokens = input_bound(self.request) + endpoint.output_bound(self.request.params.get("max_tokens"))
        return await endpoint.admission.enter(model=self.request.pin.model, tokens=tokens, urgent=urgent)

    async def _send(self, endpoint: Endpoint, ticket: Ticket, *, probe: bool, hedge: bool) -> Reply:
        exchange = Exchange(idempotency=_new_key() if hedge else self._idempotency)
        self.begun()
        began = _now()
        reply: Reply | None = None
        error: ProviderError | None = None
        try:
            deadline = began + endpoint.limits.timeout
            reply = await endpoint.provider.ask(self.request, seed=self.seed, deadline=deadline, exchange=exchange)
            check_reply(self.request.pin, reply, exchange.headers)
        except ProviderError as raised:
            error, reply = raised, None
            raise
        finally:
            self._note(endpoint, ticket, exchange, began, reply, error, probe=probe, hedge=hedge)
            error = None  # no circle of frame and error: they hold all that was received
        return reply

    def _note(
        self,
        endpoint: Endpoint,
        ticket: Ticket,
        exchange: Exchange,
        began: float,
        reply: Reply | None,
        error: ProviderError | None,
        *,
        probe: bool,
        hedge: bool,
    ) -> None:
        """Tell everybody who learns from one request how it ended; neither reply nor error: it was cancelled."""
        now = _now()
        kind = error.kind if error is not None else "cancelled" if reply is None else None
        self.attempts.append(
            Attempt(endpoint.name, round(began - self._began, 3), round(now - began, 3), kind, exchange.status, hedge)
        )
        if self.allowance is not None:
            self.allowance.settle(self.request, reply, kind)
        if kind == "cancelled":
            endpoint.admission.leave(ticket, None)
            endpoint.abandoned(probe=probe)
            return
        tokens = None if reply is None else (reply.usage.input_tokens or 0) + (reply.usage.output_tokens or 0)
        retry_after = error.retry_after if error is not None else None
        outcome = Outcome(kind, now - began, tokens=tokens, retry_after=retry_after, headers=exchange.headers)
        endpoint.admission.leave(ticket, outcome)
        if error is not None:
            endpoint.failed(error, now, probe=probe)
        elif reply is not None:
            endpoint.answered(reply.latency, reply.usage.output_tokens, now)

    def _wait(self, endpoint: Endpoint, error: ProviderError) -> float | None:
        """Return the seconds until the next attempt, None where there is none."""
        self._failures += 1
        if error.kind in ("outage", "auth"):
            return 0.0 if self._elsewhere(endpoint) else None
        if error.kind not in CAN_PASS:
            return None
        if self._failures > self.route[0].limits.retries or not self.retries.spend(error.kind):
            return None
        if self._elsewhere(endpoint):
            return 0.0
        pause = backoff(self._failures, endpoint.health.share, self.chance())
        if error.retry_after is None:
            return pause
        if error.retry_after > LONGEST_RETRY_AFTER:
            self._last = f"it asks to wait {error.retry_after:.0f} s, longer than is waited"
            return None
        return error.retry_after + pause * 0.1  # a little later than asked, and not all at once

    def _elsewhere(self, failed: Endpoint) -> bool:
        """Whether another endpoint of the route has not failed for this sample; if all have, they begin anew."""
        self._avoid.add(failed.name)
        if any(endpoint.name not in self._avoid and not endpoint.breaker.tripped for endpoint in self.route):
            return True
        self._avoid.clear()
        return False


_numbers = itertools.count()


def _new_key() -> str:
    """A key that nobody else has: random for the process, and counted within it."""
    return f"{_process_key()}-{next(_numbers):x}"


@functools.cache
def _process_key() -> str:
    return secrets.token_hex(16)


def _now() -> float:
    return asyncio.get_running_loop().time()
