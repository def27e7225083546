"""Which datasets are asked tonight: the one that waited longest first, as many as the money allows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Turn:
    """`chosen` are asked tonight; `unpriced` cannot be bounded, and so are not; the others wait for another night."""

    chosen: tuple[str, ...]
    waiting: tuple[str, ...]
    unpriced: tuple[str, ...]


def turn_of(
    costs: Mapping[str, float | None],
    last: Mapping[str, str],
    *,
    dollars: float,
    first: Collection[str] = (),
    night: int = 0,
) -> Turn:
    """Return whose turn it is: `costs` in US dollars by name (None: no price is known), `last` when each was asked.

    Those of `first` (an alarm) go before all others, then those never asked, then the longest ago. Among equals another
    one is the first each `night` (a number that grows by one): some jobs remember no night. One that does not fit is
    passed over for a cheaper one behind it. What costs nothing always fits. One of `first` is asked without a known
    price, too: whether an alarm matters to its cases is worth what the run's own budget allows.
    """
    places = {name: (place - night) % len(costs) for place, name in enumerate(sorted(costs))}
    order = sorted(costs, key=lambda name: (name not in first, last.get(name, ""), places[name]))
    left, chosen = dollars, []
    for name in order:
        cost = costs[name] if costs[name] is not None or name not in first else 0.0
        if cost is not None and cost <= left:
            chosen.append(name)
            left -= cost
    unpriced = tuple(name for name in order if costs[name] is None and name not in chosen)
    return Turn(tuple(chosen), tuple(n for n in order if n not in chosen and n not in unpriced), unpriced)
