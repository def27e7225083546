"""Caps in US dollars, tokens and requests that hold before a request is sent, not after the bill."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec import Struct

from promptops.core.pricing import input_bound, output_bound
from promptops.errors import FailureKind
from promptops.models import Caps, Failure, Reply, Request, Spent

_MAY_HAVE_COST: frozenset[FailureKind] = frozenset({"timeout", "bad_reply", "identity", "server", "cancelled"})
_AGAIN = "raise the budget and run again: what was measured is not asked again"


class _Amount(Struct):
    dollars: float = 0.0
    tokens: int = 0
    requests: int = 0

    def add(self, other: _Amount, sign: int = 1) -> None:
        self.dollars += sign * other.dollars
        self.tokens += sign * other.tokens
        self.requests += sign * other.requests


class Budget:
    """Spends at most `caps`: what was spent, the worst case of what is in flight and of the next request fit in them.

    `worst_case` returns the most dollars that a request can cost, `cost` those of a reply, None where no price is
    known: with a cap in dollars such a request is refused, because a cap that cannot be kept is no cap. Every attempt
    counts, retries and hedges too, and so does what was `spent` before this process went on with the run. Implements
    `providers.base.Allowance`; belongs to one event loop.
    """

    def __init__(
        self,
        caps: Caps,
        worst_case: Callable[[Request], float | None],
        cost: Callable[[Request, Reply], float | None],
        *,
        spent: Spent | None = None,
    ) -> None:
        self.caps = caps
        self._worst_case, self._cost = worst_case, cost
        before = spent or Spent()
        self._spent, self._held = _Amount(before.dollars, before.tokens, before.requests), _Amount()
        self._worst: dict[int, tuple[_Amount, int]] = {}
        self._turn = asyncio.Lock()
        self._settled = asyncio.Event()
        self._refusal: Failure | None = None

    async def hold(self, request: Request) -> Failure | None:
        """Reserve the worst case of one request, in the order of calls; a failure where a cap forbids it.

        Waits while requests in flight may turn out cheaper than feared. Once a request was refused for want of budget,
        all later ones are.
        """
        async with self._turn:
            worst = self._worst_of(request)
            if worst is None:
                return Failure(
                    "budget",
                    f"no price is known for {request.pin}, so the cap of ${self.caps.dollars:g} cannot be kept",
                    f'[tool.promptops.prices] "{request.pin}" = [input, output]  # $ per million tokens',
                )
            while self._refusal is None and (over := self._over(worst)):
                if not self._held.requests:
                    self._refusal = Failure("budget", over, _AGAIN)
                    break
                self._settled.clear()
                await self._settled.wait()
            if self._refusal is not None:
                return self._refusal
            self._held.add(worst)
            self._worst[id(request)] = (worst, self._worst.get(id(request), (worst, 0))[1] + 1)
            return None

    def settle(self, request: Request, reply: Reply | None, failure: FailureKind | None) -> None:
        """Replace what was held by what it came to; a request that may have been charged unseen counts in full."""
        worst, times = self._worst.pop(id(request))
        if times > 1:
            self._worst[id(request)] = (worst, times - 1)
        self._held.add(worst, -1)
        if reply is not None:
            self._spent.add(self._amount(request, reply, worst))
        elif failure in _MAY_HAVE_COST:
            self._spent.add(worst)
        else:
            self._spent.requests += 1
        self._settled.set()

    def _worst_of(self, request: Request) -> _Amount | None:
        if (known := self._worst.get(id(request))) is not None:
            return known[0]
        dollars = 0.0
        if self.caps.dollars is not None:
            price = self._worst_case(request)
            if price is None:
                return None
            dollars = price
        tokens = input_bound(request) + output_bound(request) if self.caps.tokens is not None else 0
        return _Amount(dollars, tokens, 1)

    def _amount(self, request: Request, reply: Reply, worst: _Amount) -> _Amount:
        dollars = self._cost(request, reply) if self.caps.dollars is not None else 0.0
        used = (reply.usage.input_tokens, reply.usage.output_tokens)
        tokens = worst.tokens if used[0] is None or used[1] is None else used[0] + used[1]
        return _Amount(worst.dollars if dollars is None else dollars, tokens, 1)

    def _over(self, worst: _Amount) -> str:
        """Which cap the next request could break, in words; empty where none."""
        caps, spent, held = self.caps, self._spent, self._held
        if caps.dollars is not None and spent.dollars + held.dollars + worst.dollars > caps.dollars * (1 + 1e-9):
            return (
                f"the cap of ${caps.dollars:g} is reached: ${spent.dollars:.4f} spent, "
                f"the next may cost ${worst.dollars:.4f}"
            )
        if caps.tokens is not None and spent.tokens + held.tokens + worst.tokens > caps.tokens:
            return (
                f"the cap of {caps.tokens:,} tokens is reached: {spent.tokens:,} used, "
                f"the next request may use {worst.tokens:,}"
            )
        if caps.requests is not None and spent.requests + held.requests + worst.requests > caps.requests:
            return f"the cap of {caps.requests:,} requests is reached"
        return ""
