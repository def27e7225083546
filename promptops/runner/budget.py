"""A cap in US dollars that holds before a request is sent, not after the bill."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from promptops.models import Failure, PlannedSample, Request, Sample

_MAY_HAVE_COST = frozenset({"timeout", "bad_reply", "identity", "server"})


class Budget:
    """Spends at most `cap` dollars: what was spent, the worst case of what is in flight and of the next one fit in it.

    `worst_case` returns the most that a request can cost, None where no price is known: such a request is refused,
    because a cap that cannot be kept is no cap.
    """

    def __init__(self, cap: float, worst_case: Callable[[Request], float | None]) -> None:
        self.cap, self.spent = cap, 0.0
        self._worst_case = worst_case
        self._held: dict[int, float] = {}
        self._turn = asyncio.Lock()
        self._settled = asyncio.Event()
        self._exhausted = False

    async def hold(self, planned: PlannedSample) -> Failure | None:
        """Reserve the worst case of one request, in the order of calls; a failure where the cap forbids it.

        Waits while requests in flight may turn out cheaper than feared. Once a request was refused for money, all
        later ones are.
        """
        async with self._turn:
            worst = self._worst_case(planned.request)
            if worst is None:
                return _failure(
                    f"no price is known for {planned.request.pin}, so the cap of ${self.cap:g} cannot be kept",
                    f'[tool.promptops.prices] "{planned.request.pin}" = [input, output]  # $ per million tokens',
                )
            while not self._exhausted and self.spent + sum(self._held.values()) + worst > self.cap:
                if not self._held:
                    self._exhausted = True
                    break
                self._settled.clear()
                await self._settled.wait()
            if self._exhausted:
                return _failure(
                    f"the cap of ${self.cap:g} is reached: ${self.spent:.4f} spent, the next may cost ${worst:.4f}",
                    "raise the budget and run again: what was measured and written is not asked again",
                )
            self._held[id(planned)] = worst
            return None

    def settle(self, planned: PlannedSample, sample: Sample | None) -> None:
        """Replace what was held by what it cost; a request that may have been charged unseen counts in full."""
        worst = self._held.pop(id(planned), 0.0)
        if sample is None:
            self.spent += worst
        elif sample.reply is not None:
            self.spent += worst if sample.cost is None else sample.cost
        elif sample.failure is not None and sample.failure.kind in _MAY_HAVE_COST:
            self.spent += worst
        self._settled.set()


def _failure(message: str, hint: str) -> Failure:
    return Failure("budget", message, hint)
