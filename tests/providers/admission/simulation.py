"""Many cases against one server in virtual time, each asked until it is answered."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

from promptops.providers.admission import Admission, Outcome
from promptops.providers.base import Limits
from promptops.providers.ledger import Ledger, LocalLedger
from promptops.providers.retrying import Health, backoff
from tests.providers.admission.servers import Free
from tests.providers.virtual import now, run


@dataclass
class Result:
    """How a simulation ended: seconds, attempts of each case, limits in force by time."""

    seconds: float = 0.0
    attempts: list[int] = field(default_factory=list)
    limits: list[tuple[float, float, int]] = field(default_factory=list)

    @property
    def sent(self) -> int:
        return sum(self.attempts)


def simulate(
    server: Free,
    *,
    cases: int = 1000,
    concurrency: int = 32,
    processes: int = 1,
    tokens: int = 100,
    reserve: int | None = None,
    jitter: float = 0.002,
    seed: int = 7,
    trace: bool = False,
    wait_before: float = 0.0,
    **limits: Any,
) -> Result:
    """Ask for `cases` samples; how long did it take, and how often was asked?"""

    async def scenario() -> Result:
        result, chance = Result(attempts=[0] * cases), random.Random(seed)
        ledger: LocalLedger = LocalLedger(now)
        ledgers: list[Ledger] = [ledger, *(ledger.sibling() for _ in range(processes - 1))]
        settings = Limits(concurrency=concurrency, **limits)
        own = [Admission(settings, bucket="acme", ledger=each, clock=now) for each in ledgers]
        health = Health()
        started = now()

        async def case(index: int, admission: Admission) -> None:
            failures = 0
            while True:
                ticket = await admission.enter(model="m", tokens=reserve or tokens, urgent=failures > 0)
                result.attempts[index] += 1
                sent = now()
                await asyncio.sleep(jitter * chance.random())
                verdict = server.arrive(now() - started, tokens)
                await asyncio.sleep(verdict.seconds)
                server.depart(now() - started, verdict)
                await asyncio.sleep(jitter * chance.random())
                outcome = Outcome(
                    verdict.failure,
                    now() - sent,
                    tokens if verdict.failure is None else None,
                    verdict.retry_after,
                    verdict.headers,
                )
                admission.leave(ticket, outcome)
                health.saw(answered=verdict.failure is None)
                if trace:
                    shot = admission.snapshot()
                    result.limits.append((round(now() - started, 3), shot.limit, shot.in_flight))
                if verdict.failure is None:
                    return
                failures += 1
                pause = backoff(failures, health.share, chance.random())
                if verdict.retry_after is not None:
                    pause = verdict.retry_after + 0.1 * pause
                await asyncio.sleep(pause)

        await asyncio.gather(*(case(index, own[index % processes]) for index in range(cases)))
        result.seconds = now() - started
        for admission in own:
            assert admission.snapshot().in_flight == 0
            admission.close()
        return result

    return run(scenario())
