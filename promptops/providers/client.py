"""Asks providers for samples: so many at once, so many a minute, again where a failure can pass."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from promptops.config import Config
from promptops.core.digest import sample_seed
from promptops.core.pricing import cost
from promptops.core.redact import Redactor, secrets_of
from promptops.errors import FailureKind, ProviderError
from promptops.models import Failure, Pin, PlannedSample, Reply, Sample
from promptops.providers.base import Limits, Provider
from promptops.providers.pacing import Pacer
from promptops.providers.registry import provider_for
from promptops.times import timestamp

CAN_PASS: frozenset[FailureKind] = frozenset({"connection", "timeout", "rate_limit", "server"})
FIRST_WAIT = 0.5  # seconds before the second attempt, on average; doubles from attempt to attempt
LONGEST_WAIT = 20.0  # seconds
LONGEST_RETRY_AFTER = 60.0  # seconds; a server that wants more gets no further attempt

_HINTS: Mapping[FailureKind, str] = {
    "auth": "set the key's variable in the environment, then run again",
    "budget": "raise the budget, then run again: what is recorded is not asked again",
    "connection": "check base_url and the network, then run again: what is recorded is not asked again",
    "identity": "switch off the gateway's cache and fallbacks, and pin the model that really answers",
    "not_found": "pin a model that the provider still serves: promptops bump",
    "rate_limit": "lower concurrency, rpm or tpm of the provider, then run again",
    "server": "run again later: what is recorded is not asked again",
    "timeout": "raise the provider's timeout or lower its concurrency, then run again",
}

_LOCAL_HINTS: Mapping[FailureKind, str] = {
    "connection": "run again: the server of a local model is started anew, and what is recorded is not asked again",
    "timeout": "run again when this machine has less to do: what is recorded is not asked again",
}
"""A local model has no base_url, no network and no settings."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Time and chance, as arguments: `sleep` waits seconds, `now` is the time of day, `chance` is in [0, 1)."""

    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    chance: Callable[[], float] = field(default=random.random)


@dataclass(slots=True)
class _Desk:
    """One provider with its places in flight and its pace."""

    provider: Provider
    limits: Limits
    places: asyncio.Semaphore
    pacer: Pacer


class Client:
    """Makes samples of planned ones. Belongs to the event loop in which it is first used; close it there.

    `concurrency` replaces the configured number of requests in flight of each provider (but never raises that of a
    local model), `environ` holds the keys, `open_provider` makes a provider for a pin: a test gives its own.
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        environ: Mapping[str, str] = os.environ,
        concurrency: int | None = None,
        open_provider: Callable[[Pin], Provider] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._config = config or Config()
        self._open_provider = open_provider or (lambda pin: provider_for(pin, self._config, environ))
        self._concurrency = concurrency or self._config.concurrency
        self._clock = clock or Clock()
        self._redactor = Redactor(self._config.redact, secrets_of(environ))
        self._desks: dict[str, _Desk] = {}

    async def sample(self, planned: PlannedSample) -> Sample:
        """Ask for one sample, with retries; whatever the provider does, the result is a `Sample`.

        Its failure names what went wrong without any key in it. Raises `UsageError` or `ConfigError` where the pin's
        provider is unknown or must not be used: that is no outage.
        """
        desk = self._desk(planned.request.pin)
        base = Sample(planned.key, planned.digest, failure=Failure("cancelled", "not asked"))
        try:
            reply = await self._ask(desk, planned)
        except ProviderError as error:
            message = self._redactor.text(str(error))
            return replace(base, failure=Failure(error.kind, message, _hint(planned.request.pin, error.kind)))
        price = cost(planned.request.pin, reply.usage, self._config.prices)
        return replace(base, reply=reply, failure=None, cost=price, recorded_at=timestamp(self._clock.now()))

    async def aclose(self) -> None:
        """Close every provider. May be called twice."""
        desks, self._desks = list(self._desks.values()), {}
        for desk in desks:
            await desk.provider.aclose()

    async def _ask(self, desk: _Desk, planned: PlannedSample) -> Reply:
        """Attempt until a reply, a failure that cannot pass, or the last retry; raises that `ProviderError`."""
        seed, attempt = sample_seed(planned.key.case, planned.key.index), 0
        while True:
            attempt += 1
            try:
                reply = await self._attempt(desk, planned, seed)
            except ProviderError as error:
                wait = self._wait(error, attempt, desk)
                if wait is None:
                    raise _told(error, attempt) from error
                await self._clock.sleep(wait)
                continue
            return reply if attempt == 1 else replace(reply, attempts=attempt)

    async def _attempt(self, desk: _Desk, planned: PlannedSample, seed: int) -> Reply:
        """Ask once, in turn; the time allowed is counted from sending, not from waiting for a place."""
        async with desk.places:
            started = await desk.pacer.turn()
            deadline = asyncio.get_running_loop().time() + desk.limits.timeout
            reply = await desk.provider.ask(planned.request, seed=seed, deadline=deadline)
            desk.pacer.spend((reply.usage.input_tokens or 0) + (reply.usage.output_tokens or 0), since=started)
            return reply

    def _wait(self, error: ProviderError, attempt: int, desk: _Desk) -> float | None:
        """Return the seconds until the next attempt, None where there is none."""
        if error.kind not in CAN_PASS or attempt > desk.limits.retries:
            return None
        backoff = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** (attempt - 1)) * (0.5 + self._clock.chance())
        if error.retry_after is None:
            return backoff
        if error.retry_after > LONGEST_RETRY_AFTER:
            return None
        if error.kind == "rate_limit":
            desk.pacer.hold(error.retry_after)
        return error.retry_after + backoff * 0.1  # a little later than asked, and not all at once

    def _desk(self, pin: Pin) -> _Desk:
        name = str(pin) if pin.provider == "local" else pin.provider  # each local model is a server of its own
        if (desk := self._desks.get(name)) is None:
            provider = self._open_provider(pin)
            limits = provider.limits()
            wanted = self._concurrency or limits.concurrency
            places = min(wanted, limits.concurrency) if limits.fixed else wanted
            pacer = Pacer(limits.rpm, limits.tpm, clock=asyncio.get_running_loop().time, sleep=self._clock.sleep)
            desk = self._desks[name] = _Desk(provider, limits, asyncio.Semaphore(places), pacer)
        return desk


def _hint(pin: Pin, kind: FailureKind) -> str:
    """What to do about a failure; an empty string where nothing general can be said."""
    local = _LOCAL_HINTS.get(kind) if pin.provider == "local" else None
    return local or _HINTS.get(kind, "")


def _told(error: ProviderError, attempt: int) -> ProviderError:
    """The last error, saying how often was asked and what the server would have liked."""
    notes = [f"asked {attempt} times"] if attempt > 1 else []
    if error.retry_after is not None and error.retry_after > LONGEST_RETRY_AFTER:
        notes.append(f"it asks to wait {error.retry_after:.0f} s, longer than is waited")
    text = f"{error} ({', '.join(notes)})" if notes else str(error)
    return ProviderError(error.kind, text, status=error.status, retry_after=error.retry_after)
