"""The best that anybody could do: a list schedule by somebody who knows beforehand what every attempt will meet."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.chaos.conduct import Conduct


@dataclass(frozen=True, slots=True)
class Step:
    """One attempt: `busy` seconds in flight, then `rest` seconds that the server demands before the next one."""

    busy: float
    rest: float = 0.0


def chain(conduct: Conduct, case: int) -> list[Step]:
    """The attempts that `case` needs: its failures, and the answer."""
    steps: list[Step] = []
    while (fate := conduct.fate(case, len(steps))) not in ("good", "slow"):
        steps.append(Step(conduct.seconds(fate), conduct.retry_after if fate == "refused" else 0.0))
    return [*steps, Step(conduct.seconds(fate))]


def best_schedule(chains: Sequence[Sequence[Step]], places: int) -> float:
    """Return the seconds in which `places` at once get through all chains, longest remaining chain first.

    Nothing is waited for but what the server demanded for that very request: no back-off, no start of a process, no
    work between two requests. That order is not always the best one there is, but never longer than twice it (Graham's
    bound), and with many short chains it is within one attempt of the lower bound, total work over places.
    """
    rest = [_remaining(steps) for steps in chains]
    return _listed(chains, places, lambda number, step: -rest[number][step])


def in_order(chains: Sequence[Sequence[Step]], places: int) -> float:
    """The same for somebody who does not know what comes: case after case, those that failed before first of all."""
    return _listed(chains, places, lambda number, step: float(number if step == 0 else number - len(chains)))


def _listed(chains: Sequence[Sequence[Step]], places: int, urgency: Callable[[int, int], float]) -> float:
    """The end of the list schedule that begins the step with the lowest `urgency` whenever a place is free."""
    ready = [(urgency(number, 0), number, 0) for number, steps in enumerate(chains) if steps]
    heapq.heapify(ready)
    events: list[tuple[float, int, int, int]] = []  # when, 1: a place gets free or 0: a chain gets ready, which, step
    now, free = 0.0, places
    while ready or events:
        while ready and free:
            _, number, step = heapq.heappop(ready)
            free -= 1
            heapq.heappush(events, (now + chains[number][step].busy, 1, number, step))
        now, ends, number, step = heapq.heappop(events)
        if not ends:
            heapq.heappush(ready, (urgency(number, step), number, step))
            continue
        free += 1
        if step + 1 < len(chains[number]):
            heapq.heappush(events, (now + chains[number][step].rest, 0, number, step + 1))
    return now


def lower_bound(chains: Sequence[Sequence[Step]], places: int) -> float:
    """Return the seconds below which no schedule can be: the longest chain, or all work spread over all places."""
    work = sum(step.busy for steps in chains for step in steps)
    return max(work / places, *(_remaining(steps)[0] for steps in chains))


def _remaining(steps: Sequence[Step]) -> list[float]:
    """For each step, the seconds from its start to the end of the chain."""
    found = [0.0] * len(steps)
    for place in range(len(steps) - 1, -1, -1):
        after = steps[place].rest + found[place + 1] if place + 1 < len(steps) else 0.0
        found[place] = steps[place].busy + after
    return found
