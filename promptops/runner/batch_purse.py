"""The caps of a run that asks in batches, held before a batch is made: afterwards nobody stops it in time."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from promptops.core.pricing import input_bound, output_bound
from promptops.models import Caps, Failure, Request, Spent

_AGAIN = "raise the budget, or run again when this batch has come to its end: what was measured is not asked again"


class Purse(Struct):
    """What may still be asked: `spent` is what the run has cost, and the worst case of what is under way.

    `worst_case` returns the most dollars that a request of a batch can cost, None where no price is known. Once a
    request was refused, all later ones are.
    """

    caps: Caps
    worst_case: Callable[[Request], float | None]
    spent: Spent
    refusal: Failure | None = None

    def take(self, request: Request) -> Spent | Failure:
        """Reserve the worst case of one request; the failure where a cap forbids it."""
        caps = self.caps
        if self.refusal is not None:
            return self.refusal
        price = self.worst_case(request)
        if caps.dollars is not None and price is None:
            return Failure(
                "budget",
                f"no price is known for {request.pin}, so the cap of ${caps.dollars:g} cannot be kept",
                f'[tool.promptops.prices] "{request.pin}" = [input, output]  # $ per million tokens',
            )
        worst = Spent(price or 0.0, input_bound(request) + output_bound(request), 1)
        after = added(self.spent, worst)
        if over := self._over(after, worst):
            self.refusal = Failure("budget", over, _AGAIN)
            return self.refusal
        self.spent = after
        return worst

    def _over(self, after: Spent, worst: Spent) -> str:
        """Which cap the next request could break, in words; empty where none."""
        caps, spent = self.caps, self.spent
        if caps.dollars is not None and after.dollars > caps.dollars * (1 + 1e-9):
            return (
                f"the cap of ${caps.dollars:g} is reached: ${spent.dollars:.4f} may be spent by what is in a batch "
                f"already, the next may cost ${worst.dollars:.4f}"
            )
        if caps.tokens is not None and after.tokens > caps.tokens:
            return (
                f"the cap of {caps.tokens:,} tokens is reached: {spent.tokens:,} may be used by what is in a batch "
                f"already, the next request may use {worst.tokens:,}"
            )
        if caps.requests is not None and after.requests > caps.requests:
            return f"the cap of {caps.requests:,} requests is reached"
        return ""


def added(one: Spent, other: Spent) -> Spent:
    """Both together."""
    return Spent(one.dollars + other.dollars, one.tokens + other.tokens, one.requests + other.requests)
