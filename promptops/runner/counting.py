"""How many tokens the prompts of a version have: counted by the provider, by its vocabulary, or estimated."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final

from msgspec import Struct

from promptops.core.plan import Planned
from promptops.core.tokens import Count, count_request
from promptops.models import PlannedSample, Request
from promptops.providers.counting import count_at, counts_itself
from promptops.providers.vocabularies import context_window, counter_for
from promptops.runner.session import Session
from promptops.runner.targets import Target

MOST_ASKED: Final = 25  # requests that a provider is asked to count
MOST_COUNTED: Final = 2_000  # requests that are counted here


class Prompts(Struct, frozen=True):
    """Input tokens of the first `requests` prompts of a version, by what counted them.

    `window` is what the model takes (None: unknown), `too_long` are the prompts that are longer.
    """

    requests: int
    tokens: int
    least: int
    most: int
    exact: bool
    by: str
    window: int | None
    too_long: int


def count_prompts(session: Session, target: Target, *, online: bool = False) -> Prompts | None:
    """Count the prompts of a version, one sample a case; None where there is none.

    `online` asks a provider that counts itself, for a part of them; raises `ProviderError` where it does not answer.
    """
    asks = online and counts_itself(target.pin.provider, session.project.config)
    count = _asking(session) if asks else _counting(session, target)
    planned = islice(session.plan_cases(target, target.cases), (MOST_ASKED if asks else MOST_COUNTED) * target.samples)
    counts, too_long = _counts(planned, count)
    window = context_window(target.pin, session.project.config)
    if not counts:
        return None if not too_long else Prompts(0, 0, 0, 0, exact=False, by="", window=window, too_long=too_long)
    sizes = [found.tokens for found in counts]
    exact = all(found.exact for found in counts)
    return Prompts(len(counts), sum(sizes), min(sizes), max(sizes), exact, counts[0].by, window, too_long)


def _counts(plan: Iterable[Planned], count: Callable[[Request], Count]) -> tuple[list[Count], int]:
    counts, too_long = [], 0
    for planned in plan:
        if planned.key.index:
            continue
        if isinstance(planned, PlannedSample):
            counts.append(count(planned.request))
        elif planned.failure and planned.failure.kind == "request":
            too_long += 1
    return counts, too_long


def _counting(session: Session, target: Target) -> Callable[[Request], Count]:
    counter = counter_for(target.pin, session.project.config, session.project.root)
    return lambda request: count_request(request, counter)


def _asking(session: Session) -> Callable[[Request], Count]:
    return lambda request: count_at(request, session.project.config, session.environ)
