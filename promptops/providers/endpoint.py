"""One endpoint as a client sees it: its provider, what it admits, how it has been lately."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from promptops.errors import ProviderError
from promptops.providers.admission import Admission
from promptops.providers.base import Limits, Provider
from promptops.providers.breaker import Breaker
from promptops.providers.retrying import LONGEST_RETRY_AFTER, OF_THE_ENDPOINT, Health

_LATENCIES = 100  # newest replies of which the 95th percentile is taken
_ENOUGH = 20  # replies before it says anything
_SLOW_FOR = 60.0  # seconds that an endpoint past its latency budget is not the first choice

_LASTING = 120.0  # seconds of nothing but 429s after which no limit of a minute explains them any more
_LONG = 2  # 429s in a row that ask for a longer wait than anybody has time for

_DEFAULT_OUTPUT = 1024  # tokens an answer is taken to have where `max_tokens` is not set and none was seen


class Pace:
    """Whether an endpoint keeps its latency budget (seconds; None: it has none), by its newest replies."""

    def __init__(self, budget: float | None) -> None:
        self._budget = budget
        self._latencies: deque[float] = deque(maxlen=_LATENCIES)
        self._slow_until = -math.inf

    def saw(self, latency: float, now: float) -> None:
        """Count one reply; past the budget, the endpoint is slow for a minute and then judged anew."""
        if self._budget is None:
            return
        self._latencies.append(latency)
        if len(self._latencies) >= _ENOUGH and self.p95 > self._budget:
            self._slow_until = now + _SLOW_FOR
            self._latencies.clear()

    @property
    def p95(self) -> float:
        """The 95th percentile by nearest rank; 0 without replies."""
        ordered = sorted(self._latencies)
        return ordered[math.ceil(0.95 * len(ordered)) - 1] if ordered else 0.0

    def slow(self, now: float) -> bool:
        """Whether another endpoint should be preferred."""
        return now < self._slow_until


class Refusals:
    """Tells an endpoint that asks to slow down from one that will not answer today: a quota is used up, say.

    Two 429s in a row that want more than two minutes are enough; where the server does not say, as many as open the
    breaker, and nothing else for two minutes (or for its patience, if that is longer).
    """

    def __init__(self, limits: Limits) -> None:
        self._enough, self._lasting = limits.breaker, max(_LASTING, limits.breaker_patience)
        self._row = self._long = 0
        self._since = 0.0

    def refused(self, retry_after: float | None, now: float) -> int:
        """Count a 429; returns how many in a row there were where there is no hope, else 0."""
        self._since = self._since if self._row else now
        self._row += 1
        self._long = self._long + 1 if (retry_after or 0.0) > LONGEST_RETRY_AFTER else 0
        lasting = self._row >= self._enough and now - self._since >= self._lasting
        return self._row if self._enough and (self._long >= _LONG or lasting) else 0

    def answered(self) -> None:
        """A request was answered."""
        self._row = self._long = 0


@dataclass(slots=True)
class Endpoint:
    """A provider with its queue, its breaker and its record. Belongs to one event loop; `tell` hears what changes."""

    name: str
    provider: Provider
    limits: Limits
    admission: Admission
    breaker: Breaker
    pace: Pace
    tell: Callable[[str], object] = lambda _: None
    health: Health = field(default_factory=Health)
    last_error: str = ""
    longest_output: int = 0
    _refusals: Refusals = field(init=False)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._refusals = Refusals(self.limits)

    async def pass_breaker(self, clock: Callable[[], float]) -> bool:
        """Wait until a request may go; returns whether it is the probe. Raises `ProviderError("outage")`."""
        while (passage := self.breaker.passage(clock())) not in ("go", "probe"):
            if passage == "stop" or not self.limits.retries:
                raise ProviderError("outage", self._outage())
            changed = self._changed
            waits = self.breaker.waits(clock())
            try:
                async with asyncio.timeout(waits if waits < math.inf else None):
                    await changed.wait()
            except TimeoutError:
                continue
        return passage == "probe"

    def answered(self, latency: float, output_tokens: int | None, now: float) -> None:
        """Note a reply."""
        self.health.saw(answered=True)
        self._refusals.answered()
        self.pace.saw(latency, now)
        self.longest_output = max(self.longest_output, output_tokens or 0)
        self._lives()

    def failed(self, error: ProviderError, now: float, *, probe: bool) -> None:
        """Note a failure; one that says nothing of the endpoint lets a probe pass."""
        self.health.saw(answered=False)
        hopeless = self._refusals.refused(error.retry_after, now) if error.kind == "rate_limit" else 0
        if hopeless:
            self.last_error = str(error)
            news = not self.breaker.tripped
            self.breaker.trip(now, hopeless)
            if news:
                self.tell(self._outage())
            self.admission.dismiss(lambda: ProviderError("outage", self._outage()))
            self._changes()
        elif error.kind in OF_THE_ENDPOINT:
            self.last_error = str(error)
            before = (self.breaker.closed, self.breaker.tripped)
            self.breaker.failed(now, probe=probe, for_good=error.kind == "auth")
            if before[0] and not self.breaker.closed:
                self.admission.outage()
            if before != (self.breaker.closed, self.breaker.tripped):
                self.tell(self._outage() if self.breaker.tripped else self._opened())
            self._changes()
        else:
            self._lives()

    def abandoned(self, *, probe: bool) -> None:
        """A request was cancelled."""
        if probe:
            self.breaker.abandoned()
            self._changes()

    def output_bound(self, max_tokens: object) -> int:
        """The tokens that an answer may have, for the limit of tokens a minute."""
        if isinstance(max_tokens, int) and not isinstance(max_tokens, bool) and max_tokens > 0:
            return max_tokens
        return 2 * self.longest_output or _DEFAULT_OUTPUT

    def _lives(self) -> None:
        if not self.breaker.closed:
            self.tell(f"{self.name} answers again")
            self.breaker.succeeded()
            self.admission.recovered()
            self._changes()
        else:
            self.breaker.succeeded()

    def _changes(self) -> None:
        """Wake whoever waits for the breaker."""
        self._changed.set()
        self._changed = asyncio.Event()

    def _opened(self) -> str:
        row = self.breaker.row
        return f"{self.name}: {row} requests in a row failed, only probes are sent; the last with: {self.last_error}"

    def _outage(self) -> str:
        row = self.breaker.row
        return f"{self.name} is not asked any more: {row} requests in a row failed, the last with: {self.last_error}"


def choose(route: Sequence[Endpoint], avoid: set[str], *, model: str, now: float) -> Endpoint:
    """Return the endpoint for the next attempt.

    The first of the route that is closed, quick and may send now, those in `avoid` (they failed for this sample) last;
    where none is, the first that has not tripped.
    """
    if len(route) == 1:
        return route[0]
    fresh = [endpoint for endpoint in route if endpoint.name not in avoid] or list(route)
    for endpoint in fresh:
        if endpoint.breaker.probe_due(now):
            return endpoint
        if endpoint.breaker.closed and not endpoint.pace.slow(now) and not endpoint.admission.held(model):
            return endpoint
    return next((e for e in (*fresh, *route) if not e.breaker.tripped), route[0])
