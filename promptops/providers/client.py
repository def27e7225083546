"""Asks providers for samples: within their limits, again where a failure can pass, elsewhere where one may be asked."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import os
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime

from msgspec import Struct, field
from msgspec.structs import replace

from promptops.config import Config
from promptops.core.digest import sample_seed
from promptops.core.harmless import terminal
from promptops.core.pricing import cost
from promptops.core.redact import Redactor, secrets_of
from promptops.errors import FailureKind, ProviderError
from promptops.models import Failure, Pin, PlannedSample, Reply, Sample
from promptops.providers.admission import Admission
from promptops.providers.asking import Asking, Stopped
from promptops.providers.base import Allowance, Provider
from promptops.providers.breaker import Breaker
from promptops.providers.endpoint import Endpoint, Pace
from promptops.providers.hedging import Hedges
from promptops.providers.identity import counting_as
from promptops.providers.ledger import Ledger, LocalLedger
from promptops.providers.registry import bucket_of, provider_for
from promptops.providers.retrying import RetryBudget
from promptops.times import parse_duration, timestamp

logger = logging.getLogger("promptops")

_HINTS: Mapping[FailureKind, str] = {
    "auth": "set the key's variable in the environment, then run again",
    "budget": "raise the budget, then run again: what is recorded is not asked again",
    "connection": "check base_url and the network, then run again: what is recorded is not asked again",
    "identity": "switch off the gateway's cache and fallbacks, and pin the model that really answers",
    "not_found": "pin a model that the provider still serves: promptops bump",
    "outage": "run again when the provider is back: what is recorded is not asked again",
    "rate_limit": "lower concurrency, rpm or tpm of the provider, then run again",
    "server": "run again later: what is recorded is not asked again",
    "timeout": "raise the provider's timeout or lower its concurrency, then run again",
}

_LOCAL_HINTS: Mapping[FailureKind, str] = {
    "connection": "run again: the server of a local model is started anew, and what is recorded is not asked again",
    "outage": "run again: the server of a local model is started anew, and what is recorded is not asked again",
    "timeout": "run again when this machine has less to do: what is recorded is not asked again",
}
"""A local model has no base_url, no network and no settings."""


class Clock(Struct, frozen=True):
    """Time and chance, as arguments: `sleep` waits seconds, `now` is the time of day, `chance` is in [0, 1)."""

    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    chance: Callable[[], float] = field(default=random.random)


class Client:
    """Makes samples of planned ones. Belongs to the event loop in which it is first used; close it there.

    `concurrency` replaces the configured number of requests in flight of each provider (but never raises that of a
    local model), `environ` holds the keys, `open_provider` makes a provider for a pin: a test gives its own. `ledger`
    is what all processes of the user share about limits (None: this client is alone), `fingerprint` makes a name of a
    key from which nobody can tell the key. `allowance` is asked before every request. `time_limit` is seconds from the
    first sample after which every one fails at once.
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        environ: Mapping[str, str] = os.environ,
        concurrency: int | None = None,
        open_provider: Callable[[Pin], Provider] | None = None,
        clock: Clock | None = None,
        ledger: Ledger | None = None,
        fingerprint: Callable[[str], str] = lambda key: hashlib.sha256(key.encode()).hexdigest()[:16],
        allowance: Allowance | None = None,
        time_limit: float | None = None,
    ) -> None:
        self._config, self._environ = config or Config(), environ
        self._open_provider = open_provider or (lambda pin: provider_for(pin, self._config, environ))
        self._concurrency = concurrency or self._config.concurrency
        self._clock = clock or Clock()
        self._ledger, self._fingerprint = ledger, fingerprint
        self._allowance = allowance
        self._redactor = Redactor(self._config.redact, secrets_of(environ))
        self._endpoints: dict[str, Endpoint] = {}
        self._retries = RetryBudget(self._config.retry_budget)
        self._hedges = Hedges()
        self._sample_time = parse_duration(self._config.sample_timeout)
        self._time_limit = float("inf") if time_limit is None else time_limit
        self._ends: float | None = None
        self._stopped = False

    async def sample(self, planned: PlannedSample) -> Sample:
        """Ask for one sample; whatever the provider does, the result is a `Sample` with every attempt in it.

        Its failure names what went wrong without any key in it. Raises `UsageError` or `ConfigError` where the pin's
        provider is unknown or must not be used: that is no outage.
        """
        pin = planned.request.pin
        asking = self._asking(planned)
        try:
            with counting_as(planned.served):
                reply = await self._in_time(asking)
        except Stopped as stopped:
            failure = stopped.failure
        except ProviderError as error:
            message = self._redactor.text(str(error))
            failure = Failure(error.kind, message, _hint(pin, error.kind))
            logger.debug("%s: no reply: %s", planned.key, message)
        else:
            return Sample(
                planned.key,
                planned.digest,
                reply=reply,
                cost=self._cost(pin, reply),
                recorded_at=timestamp(self._clock.now()),
                attempts=tuple(asking.attempts),
            )
        return Sample(planned.key, planned.digest, failure=failure, attempts=tuple(asking.attempts))

    def stop(self) -> None:
        """Send nothing more: what waits for its turn ends as `cancelled`, what is in flight goes on."""
        self._stopped = True

    async def aclose(self) -> None:
        """Close every provider. May be called twice."""
        endpoints, self._endpoints = list(self._endpoints.values()), {}
        for endpoint in endpoints:
            endpoint.admission.close()
            await endpoint.provider.aclose()
        if self._ledger is not None:
            self._ledger.close()

    def _asking(self, planned: PlannedSample) -> Asking:
        key = planned.key
        return Asking(
            self._route(planned.request.pin),
            planned.request,
            sample_seed(key.case, key.index),
            retries=self._retries,
            hedges=self._hedges,
            allowance=self._allowance,
            sleep=self._clock.sleep,
            chance=self._clock.chance,
            stopped=lambda: self._stopped,
        )

    async def _in_time(self, asking: Asking) -> Reply:
        """Ask within the time of a sample, which begins with its first request, and of the run."""
        now = asyncio.get_running_loop().time()
        if self._ends is None:
            self._ends = now + self._time_limit
        timer = asyncio.timeout_at(None if self._ends == math.inf else self._ends)
        asking.begun = lambda: None if asking.attempts else timer.reschedule(self._sample_ends())
        try:
            async with timer:
                return await asking.reply()
        except TimeoutError:
            if timer.when() == self._ends:
                said = f"the time of the run, {self._time_limit:g} s, is over"
            else:
                said = f"no reply within the sample_timeout of {self._config.sample_timeout}"
            raise ProviderError("timeout", asking.told(said)) from None
        finally:
            asking.begun = _nothing  # no circle: what is asked for is gone at once, and not when a collector comes

    def _sample_ends(self) -> float:
        """When the time of a sample is over that begins now, as a time of the loop's clock."""
        assert self._ends is not None
        return min(asyncio.get_running_loop().time() + self._sample_time, self._ends)

    def _cost(self, pin: Pin, reply: Reply) -> float | None:
        """By the price of the endpoint that served, where it has one of its own."""
        served = Pin(reply.endpoint, pin.model) if reply.endpoint else pin
        price = cost(served, reply.usage, self._config.prices)
        return cost(pin, reply.usage, self._config.prices) if price is None else price

    def _route(self, pin: Pin) -> Sequence[Endpoint]:
        """The endpoints that may be asked for a pin: its own provider, then those it fails over to."""
        first = self._endpoint(pin)
        if not first.limits.failover:
            return (first,)
        return (first, *(self._endpoint(Pin(name, pin.model)) for name in first.limits.failover))

    def _endpoint(self, pin: Pin) -> Endpoint:
        name = str(pin) if pin.provider == "local" else pin.provider  # each local model is a server of its own
        if (endpoint := self._endpoints.get(name)) is None:
            endpoint = self._endpoints[name] = self._open(pin)
        return endpoint

    def _open(self, pin: Pin) -> Endpoint:
        provider = self._open_provider(pin)
        limits = provider.limits()
        if self._concurrency and not (limits.fixed and self._concurrency > limits.concurrency):
            limits = replace(limits, concurrency=self._concurrency)
        if self._ledger is None:
            self._ledger = LocalLedger(asyncio.get_running_loop().time)
        admission = Admission(
            limits,
            bucket=bucket_of(pin, self._config, self._environ, self._fingerprint),
            ledger=self._ledger,
            clock=asyncio.get_running_loop().time,
        )
        breaker = Breaker(limits.breaker, limits.breaker_patience)
        return Endpoint(pin.provider, provider, limits, admission, breaker, Pace(limits.latency_budget), self._tell)

    def _tell(self, text: str) -> None:
        logger.warning("%s", terminal(self._redactor.text(text)))


def _nothing() -> None:
    """What is called before a request where nobody wants to know."""


def _hint(pin: Pin, kind: FailureKind) -> str:
    """What to do about a failure; an empty string where nothing general can be said."""
    local = _LOCAL_HINTS.get(kind) if pin.provider == "local" else None
    return local or _HINTS.get(kind, "")
