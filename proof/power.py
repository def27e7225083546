"""What is found, after how many cases, beside the fixed test at full N; and what the anytime interval covers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from promptops.core.statistics.betting import betting_interval
from promptops.core.statistics.fixed_power import power_to_regress
from promptops.core.statistics.planning import Outlook, simulate
from proof.rates import Rate
from proof.streams import BINARY, KINDS, Kind, score, stream
from proof.tasks import Task


def tenths(rng: Random, noise: float, drop: float) -> float:
    return round(score(rng, noise, drop), 1)


GRADED = Kind("graded, in tenths", tenths)

LOOKS = (5, 10, 25, 50, 75, 100, 150, 200, 300, 400)

COMPARED = (0.05, 0.1)
"""Drops at which the power is compared with that of the fixed test: not within the margin, and not sure to be found."""


@dataclass(frozen=True, slots=True)
class Cell:
    """`fixed` is the power of McNemar's exact test once, at full N; None where there is no drop."""

    cases: int
    noise: float
    drop: float
    outlook: Outlook
    fixed: float | None


@dataclass(frozen=True, slots=True)
class Coverage:
    """How often the 95 % interval misses the mean at one of the `LOOKS`, and its mean half width at the last."""

    kind: str
    noise: float
    missed: Rate
    half: float


def cells(*, quick: bool) -> Iterator[Task]:
    for cases in (200,) if quick else (100, 200, 400):
        for noise in (0.04,) if quick else (0.02, 0.04, 0.1, 0.3):
            for drop in (0.0, 0.1) if quick else (0.0, 0.02, 0.05, 0.1, 0.2):
                close = cases >= 200 and drop in COMPARED
                rounds = 300 if quick else 20_000 if close else 4000
                name = f"power: {cases} cases, {noise:g}, a drop of {drop:g}"
                yield Task(name, cell, (cases, noise, drop, rounds))


def cell(cases: int, noise: float, drop: float, rounds: int) -> Cell:
    found = simulate(cases, drop=drop, noise=noise, rounds=rounds, seed=cases)
    return Cell(cases, noise, drop, found, power_to_regress(cases, drop, noise, 0.05) if drop else None)


def coverage(*, quick: bool) -> Iterator[Task]:
    rounds = 60 if quick else 1000
    for kind in (BINARY, GRADED, KINDS[1]):
        for noise in (0.1,) if quick else (0.02, 0.1, 0.3):
            yield Task(f"interval: {kind.name}, {noise:g}", covered, (kind, noise, rounds))


def covered(kind: Kind, noise: float, rounds: int) -> Coverage:
    missed, halves, rng = 0, 0.0, Random(f"interval {kind.name} {noise}")
    for _ in range(rounds):
        path = [round(difference, 2) for difference in stream(kind, LOOKS[-1], noise, 0.0, rng)]
        found = [betting_interval(path[:look]) for look in LOOKS]
        missed += any(not low <= 0.0 <= high for low, high in found)
        halves += (found[-1][1] - found[-1][0]) / 2
    return Coverage(kind.name, noise, Rate(missed, rounds), halves / rounds)
