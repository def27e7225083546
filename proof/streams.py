"""Differences of candidates whose truth is known: what the tests are fed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

Draw = Callable[[Random, float, float], float]
"""One difference, from the share of discordant cases and the drop (0: nothing changed)."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of data; `size` cases make a cluster that comes out alike (1: none)."""

    name: str
    draw: Draw = field(repr=False)  # what names a piece of work must be the same in every process
    graded: bool = True
    size: int = 1


def stream(kind: Kind, cases: int, noise: float, drop: float, rng: Random) -> Iterator[float]:
    """The differences of one trial; those of a cluster are all alike, the worst there is."""
    while cases > 0:
        difference = kind.draw(rng, noise, drop)
        for _ in range(min(kind.size, cases)):
            yield difference
        cases -= kind.size


def clusters(kind: Kind, cases: int) -> tuple[int, ...]:
    if kind.size == 1:
        return ()
    full, rest = divmod(cases, kind.size)
    return (kind.size,) * full + ((rest,) if rest else ())


def flip(rng: Random, noise: float, drop: float) -> float:
    """Pass or fail: `noise` of the cases flip, half each way; the drop comes on top."""
    u = rng.random()
    return -1.0 if u < noise / 2 + drop else 1.0 if u > 1 - noise / 2 else 0.0


def score(rng: Random, noise: float, drop: float) -> float:
    """A graded score with as much variance as flips have, moved by the drop."""
    return max(-1.0, min(1.0, rng.gauss(-drop, noise**0.5 / 2)))


def rare_loss(rng: Random, noise: float, drop: float) -> float:
    """Hardly anything nearly always and all or nothing now and then: a variance that shows itself too late.

    Without a drop it is as likely the other way round; with one, small gains hide what large losses take.
    """
    if not drop:
        size = 1.0 if rng.random() < noise / 10 else 0.01
        return size if rng.random() < 0.5 else -size
    gain = 0.01
    losses = (drop + gain) / (1 + gain)
    return -1.0 if rng.random() < losses else gain


def three_samples(rng: Random, noise: float, drop: float) -> float:
    """Means of 3 samples a side: a share `4 · noise` of the cases is a coin, the others pass; the drop fails some."""
    rate = 0.5 if rng.random() < min(1.0, 4 * noise) else 1.0
    worse = 0.0 if drop and rng.random() < drop / (1 - min(1.0, 4 * noise) / 2) else rate
    return (sum(rng.random() < worse for _ in range(3)) - sum(rng.random() < rate for _ in range(3))) / 3


BINARY = Kind("pass or fail", flip, graded=False)
KINDS = (
    Kind("graded", score),
    Kind("rare large losses", rare_loss),
    Kind("3 samples", three_samples),
    Kind("clusters of 5", flip, graded=False, size=5),
)
