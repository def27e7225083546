"""Asks again where an output breaks its contract: around whatever asks once.

Each request of a conversation goes through limits, retries, budget and cache by itself, as a request of its own. The
contract runs in the loop, so its Python in whatever thread runs that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from promptops.core.context import Fits
from promptops.core.contract import Contract
from promptops.core.reask import go_on, joined, next_of, problems_of, turn_of
from promptops.models import PlannedSample, Sample, Turn

if TYPE_CHECKING:
    from promptops.runner.engine import Asker


class Rules(Struct, frozen=True):
    """By what an output is judged, and which conversation is longer than the model takes (None: nobody knows)."""

    contract: Contract
    fits: Fits | None = None


class ReaskingAsker:
    """An asker around another one, which it closes. `rules` are those of each (prompt, version, pin).

    `redacted` removes secrets from a sample before it is judged: what is asked again is what a recording can repeat.
    """

    def __init__(
        self, asker: Asker, rules: Mapping[tuple[str, str, str], Rules], redacted: Callable[[Sample], Sample]
    ) -> None:
        self._asker, self._rules, self._redacted = asker, rules, redacted

    async def sample(self, planned: PlannedSample) -> Sample:
        """Ask, and again with what is wrong, at most `planned.reask` times; once where there are no rules for it."""
        rules = self._rules.get((planned.key.prompt, planned.key.version, planned.key.pin))
        if not planned.reask or rules is None:
            return await self._asker.sample(planned)
        return await conversation(self._once, planned, rules)

    def stop(self) -> None:
        """Send nothing more."""
        self._asker.stop()

    async def aclose(self) -> None:
        """Close the asker."""
        await self._asker.aclose()

    async def _once(self, planned: PlannedSample) -> Sample:
        return self._redacted(await self._asker.sample(planned))


async def conversation(
    ask: Callable[[PlannedSample], Awaitable[Sample]], planned: PlannedSample, rules: Rules
) -> Sample:
    """Ask until the output satisfies the contract, asking again cannot help, or the limit of `planned` is reached.

    A request that fails on the way is the failure of the sample, which keeps the answers before it and their cost: from
    there a later run goes on.
    """
    clock = asyncio.get_running_loop().time
    began, asked = clock(), list[Sample]()
    current, earlier = go_on(planned, rules.contract)
    while True:
        at = clock() - began
        found = await ask(current)
        attempts = tuple(replace(a, started=a.started + at, turn=len(earlier)) for a in found.attempts)
        asked.append(replace(found, attempts=attempts))
        if found.reply is None or len(earlier) == planned.reask:
            break
        if not (problems := problems_of(rules.contract, found.reply)):
            break
        current = next_of(current, found.reply.text, problems)
        earlier.append(turn_of(found, problems, current.digest))
        if rules.fits is not None and (failure := rules.fits(current.request)) is not None:
            asked.append(Sample(planned.key, planned.digest, failure=failure))
            break
    return _one(planned, earlier, asked)


def _one(planned: PlannedSample, earlier: list[Turn], asked: list[Sample]) -> Sample:
    """The sample of a whole conversation; with a copy in it, it is no independent one."""
    whole = joined(planned, earlier, asked[-1])
    if len(asked) == 1:
        return whole
    first, last = None if planned.begun else asked[0].reply, whole.reply
    if last is not None:  # a user waits for the first token of the first answer
        replies = [one.reply for one in asked if one.reply]
        told = replace(
            last,
            attempts=sum(reply.attempts for reply in replies),
            first_token=first.first_token if first else None,
            deviations=tuple(dict.fromkeys(words for reply in replies for words in reply.deviations)),
        )
        whole = replace(whole, reply=told)
    copied = any(one.source == "cached" for one in asked)
    attempts = tuple(attempt for one in asked for attempt in one.attempts)
    return replace(whole, source="cached" if copied else whole.source, attempts=attempts)
