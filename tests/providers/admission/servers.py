"""Servers for the simulation: each counts what reaches it and says what becomes of it."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from promptops.errors import FailureKind

Headers = Mapping[str, str]


@dataclass(frozen=True)
class Verdict:
    """What becomes of one request: how long it takes, and how it ends (None: it is answered)."""

    seconds: float
    failure: FailureKind | None = None
    retry_after: float | None = None
    headers: Headers = field(default_factory=dict)


Latency = Callable[[random.Random], float]


def steady(seconds: float) -> Latency:
    return lambda chance: seconds


def tailed(seconds: float, share: float = 0.05, times: float = 10.0) -> Latency:
    """A share of the requests takes ten times as long."""
    return lambda chance: seconds * (times if chance.random() < share else 1.0)


def spread(seconds: float) -> Latency:
    """As a language model's: most near the mean, some three times as long."""
    return lambda chance: seconds * chance.lognormvariate(-0.08, 0.4)


class Free:
    """Answers everything. The others refuse some before they come here."""

    def __init__(self, latency: Latency, *, seed: int = 1) -> None:
        self.latency, self.chance = latency, random.Random(seed)
        self.inside = self.most = 0
        self.arrived: list[float] = []
        self.refused: list[float] = []

    def refuse(self, now: float, tokens: int) -> Verdict | None:
        return None

    def answer(self, now: float, tokens: int) -> Verdict:
        return Verdict(self.latency(self.chance))

    def arrive(self, now: float, tokens: int) -> Verdict:
        self.arrived.append(now)
        verdict = self.refuse(now, tokens)
        if verdict is None:
            verdict = self.answer(now, tokens)
        else:
            self.refused.append(now)
        self.inside += 1
        self.most = max(self.most, self.inside)
        return verdict

    def depart(self, now: float, verdict: Verdict) -> None:
        self.inside -= 1


class Random(Free):
    """Refuses a share of the requests whatever the rate; more goes wrong in other ways."""

    def __init__(
        self,
        latency: Latency,
        *,
        share: float = 0.2,
        retry_after: float | None = None,
        refusal: float | None = None,
        errors: float = 0.0,
        drops: float = 0.0,
        seed: int = 1,
    ) -> None:
        super().__init__(latency, seed=seed)
        self.share, self.retry_after, self.refusal = share, retry_after, refusal
        self.errors, self.drops = errors, drops

    def arrive(self, now: float, tokens: int) -> Verdict:
        verdict = super().arrive(now, tokens)
        draw = self.chance.random()
        seconds = verdict.seconds
        if draw < self.share:
            self.refused.append(now)
            return Verdict(seconds if self.refusal is None else self.refusal, "rate_limit", self.retry_after)
        if draw < self.share + self.errors:
            return Verdict(seconds, "server")
        if draw < self.share + self.errors + self.drops:
            return Verdict(seconds / 2, "connection")
        return verdict


class Sliding(Free):
    """At most `limit` requests are accepted in any `window` seconds. `tell`: Retry-After is what it takes."""

    def __init__(
        self,
        latency: Latency,
        *,
        limit: int,
        window: float = 60.0,
        tell: Callable[[float], float | None] = lambda wait: wait,
        counts_refused: bool = False,
        seed: int = 1,
    ) -> None:
        super().__init__(latency, seed=seed)
        self.limit, self.window, self.tell, self.counts_refused = limit, window, tell, counts_refused
        self.taken: deque[float] = deque()

    def refuse(self, now: float, tokens: int) -> Verdict | None:
        while self.taken and self.taken[0] <= now - self.window:
            self.taken.popleft()
        full = len(self.taken) >= self.limit
        if not full or self.counts_refused:
            self.taken.append(now)
        return Verdict(0.001, "rate_limit", self.tell(self.taken[0] + self.window - now)) if full else None


class Bucket(Free):
    """`rate` requests (or tokens) a second flow in, up to `burst`. `says` makes headers of it."""

    def __init__(
        self,
        latency: Latency,
        *,
        rate: float,
        burst: float,
        tell: Callable[[float], float | None] = lambda wait: wait,
        by_tokens: bool = False,
        says: Callable[[float, float, float, float], Headers] = lambda limit, left, reset, now: {},
        seed: int = 1,
    ) -> None:
        super().__init__(latency, seed=seed)
        self.rate, self.burst, self.tell, self.by_tokens, self.says = rate, burst, tell, by_tokens, says
        self.level, self.at = burst, 0.0

    def headers(self) -> Headers:
        return self.says(self.burst, math.floor(self.level), (self.burst - self.level) / self.rate, self.at)

    def refuse(self, now: float, tokens: int) -> Verdict | None:
        self.level = min(self.burst, self.level + (now - self.at) * self.rate)
        self.at = now
        need = tokens if self.by_tokens else 1
        if self.level < need:
            return Verdict(0.001, "rate_limit", self.tell((need - self.level) / self.rate), self.headers())
        self.level -= need
        return None

    def answer(self, now: float, tokens: int) -> Verdict:
        return Verdict(self.latency(self.chance), headers=self.headers())


class Fixed(Free):
    """`limit` requests in every window of so many seconds, which begin anew all at once."""

    def __init__(
        self,
        latency: Latency,
        *,
        limit: int,
        window: float,
        says: Callable[[float, float, float, float], Headers],
        seed: int = 1,
    ) -> None:
        super().__init__(latency, seed=seed)
        self.limit, self.window, self.says = limit, window, says
        self.number, self.used = 0, 0

    def refuse(self, now: float, tokens: int) -> Verdict | None:
        number = int(now / self.window)
        self.number, self.used = number, self.used if number == self.number else 0
        if self.used >= self.limit:
            return Verdict(0.001, "rate_limit", headers=self.headers(now))
        self.used += 1
        return None

    def answer(self, now: float, tokens: int) -> Verdict:
        return Verdict(self.latency(self.chance), headers=self.headers(now))

    def headers(self, now: float) -> Headers:
        return self.says(self.limit, self.limit - self.used, self.window - now % self.window, now)


def as_openai(limit: float, left: float, reset: float, now: float) -> Headers:
    minutes, seconds = divmod(reset, 60)
    text = (
        f"{minutes:.0f}m{seconds:.3f}s" if minutes else f"{1000 * seconds:.0f}ms" if seconds < 1 else f"{seconds:.3f}s"
    )
    return {
        "x-ratelimit-limit-requests": f"{limit:.0f}",
        "x-ratelimit-remaining-requests": f"{left:.0f}",
        "x-ratelimit-reset-requests": text,
    }


def as_openai_tokens(limit: float, left: float, reset: float, now: float) -> Headers:
    return {name.replace("requests", "tokens"): value for name, value in as_openai(limit, left, reset, now).items()}


def as_anthropic(limit: float, left: float, reset: float, now: float) -> Headers:
    """With a clock that is years behind ours."""
    moment = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=now)
    return {
        "date": format_datetime(moment, usegmt=True),
        "anthropic-ratelimit-requests-limit": f"{limit:.0f}",
        "anthropic-ratelimit-requests-remaining": f"{left:.0f}",
        "anthropic-ratelimit-requests-reset": (moment + timedelta(seconds=reset)).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def as_draft(limit: float, left: float, reset: float, now: float) -> Headers:
    return {
        "ratelimit-policy": f'"minute";q={limit:.0f};w=60',
        "ratelimit": f'"minute";r={left:.0f};t={math.ceil(reset)}',
    }


class Liar(Free):
    """Answers everything, and says with every reply that nothing is left until the day after tomorrow, or nonsense."""

    def __init__(self, latency: Latency, *, says: Sequence[Headers], seed: int = 1) -> None:
        super().__init__(latency, seed=seed)
        self.says = says

    def answer(self, now: float, tokens: int) -> Verdict:
        return Verdict(self.latency(self.chance), headers=self.chance.choice(self.says))


class Capped(Free):
    """Refuses at once what would be one too many in flight; the cap may change with time."""

    def __init__(
        self,
        latency: Latency,
        *,
        cap: Callable[[float], int],
        retry_after: float | None = None,
        kind: FailureKind = "rate_limit",
        seed: int = 1,
    ) -> None:
        super().__init__(latency, seed=seed)
        self.cap, self.retry_after, self.kind = cap, retry_after, kind
        self.accepted = 0

    def refuse(self, now: float, tokens: int) -> Verdict | None:
        if self.accepted >= self.cap(now):
            return Verdict(0.001, self.kind, self.retry_after)
        self.accepted += 1
        return None

    def depart(self, now: float, verdict: Verdict) -> None:
        super().depart(now, verdict)
        self.accepted -= verdict.failure is None


class Overloaded(Free):
    """Up to `knee` in flight it is quick, beyond it everything takes longer in proportion. The knee may move."""

    def __init__(self, latency: Latency, *, knee: Callable[[float], int], seed: int = 1) -> None:
        super().__init__(latency, seed=seed)
        self.knee = knee

    def answer(self, now: float, tokens: int) -> Verdict:
        return Verdict(self.latency(self.chance) * max(1.0, (self.inside + 1) / self.knee(now)))
