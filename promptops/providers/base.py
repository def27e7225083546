"""What a provider is: one endpoint that answers requests in one wire format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct, field

from promptops.config import ModelLimits
from promptops.errors import FailureKind
from promptops.models import Failure, Reply, Request


class Limits(Struct, frozen=True):
    """What a provider stands.

    `concurrency` is requests in flight, `rpm` and `tpm` requests and tokens a minute, `timeout` seconds for one
    attempt, `retries` further attempts after a failure that can pass. `fixed` means that nobody may raise the
    concurrency (a local model has one slot, and batching would change what it answers), `adaptive` that it is lowered
    while the endpoint refuses or slows down; `models` has limits of single models.

    `breaker` failures in a row (0: never) open the breaker, which trips after `breaker_patience` seconds. `failover`
    names the providers that are asked instead, also where the 95th percentile of latency is above `latency_budget`
    seconds. After `hedge_after` seconds a second request is sent, for at most the share `hedge_share` of all.
    """

    concurrency: int = 16
    rpm: int | None = None
    tpm: int | None = None
    timeout: float = 60.0
    retries: int = 10
    fixed: bool = False
    adaptive: bool = True
    models: Mapping[str, ModelLimits] = field(default_factory=dict)
    breaker: int = 10
    breaker_patience: float = 15.0
    failover: tuple[str, ...] = ()
    latency_budget: float | None = None
    hedge_after: float | None = None
    hedge_share: float = 0.05


class Exchange(Struct):
    """What goes with one request beside it, and what came back beside the reply.

    In: `idempotency` is the same for every attempt at one sample, so that an endpoint with an idempotency header makes
    (and bills) one reply for all of them. Out: `status` and `headers` (names lower-case), for replies and errors alike;
    None and empty where nothing came back.
    """

    idempotency: str = ""
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Provider(Protocol):
    """Asks one endpoint. An instance belongs to the event loop in which it first asks."""

    @property
    def name(self) -> str:
        """The part of a pin before the slash."""
        ...

    def limits(self) -> Limits:
        """What this endpoint stands."""
        ...

    async def ask(
        self, request: Request, *, seed: int | None, deadline: float, exchange: Exchange | None = None
    ) -> Reply:
        """Send `request` once and return the reply, its latency measured.

        `seed` is this sample's own; an endpoint that takes none ignores it, and a `seed` in the request's params goes
        before it. `deadline` is a time of the running loop's clock (`loop.time()`) by which the last byte must be here.
        `exchange` belongs to this one call, and is filled in before it returns or raises.
        Raises `ProviderError`, and nothing else, for whatever the endpoint does.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection. May be called twice."""
        ...


class Allowance(Protocol):
    """Says before every request whether it may be sent: a budget."""

    async def hold(self, request: Request) -> Failure | None:
        """Reserve the worst case of one request; the failure where that is forbidden. May wait."""
        ...

    def settle(self, request: Request, reply: Reply | None, failure: FailureKind | None) -> None:
        """Replace what was held by what the request came to. Called once for every `hold` that allowed it."""
        ...
