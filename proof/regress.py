"""False REGRESS: nothing changed, looked at after every case, never stopped by a PASS."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from promptops.core.statistics.flips import SequentialFlips
from promptops.core.statistics.metric import MetricPlan
from promptops.core.statistics.sign_test import SequentialSignTest
from promptops.core.statistics.trial import Trial
from promptops.core.stats import mcnemar_exact
from proof.rates import Rate
from proof.streams import BINARY, KINDS, Kind, clusters, stream
from proof.tasks import Task

ALPHA = 0.05
DRAWS = 199
"""Draws of the sign flips here: the level holds for every number; in use it is 9,999."""


@dataclass(frozen=True, slots=True)
class Cell:
    """`exact` is the mean error spent, the exact level of a sign test; `naive` is McNemar at .05 after each case.

    `again` repeats with five times as many fresh streams where `false` alone would contradict alpha: of many cells one
    in two hundred does by chance.
    """

    kind: str
    cases: int
    noise: float
    metrics: int
    false: Rate
    exact: float | None = None
    naive: Rate | None = None
    again: Rate | None = None

    @property
    def fine(self) -> bool:
        """Whether the cell does not contradict alpha; of a doubtful one, the repetition decides."""
        return (self.again or self.false).within(ALPHA)


def cells(*, quick: bool) -> Iterator[Task]:
    rounds = 300 if quick else 2000
    for cases in (50, 200) if quick else (50, 100, 200, 400, 1000):
        for noise in (0.1,) if quick else (0.02, 0.04, 0.1, 0.2, 0.3):
            yield Task(f"false REGRESS: pass or fail, {cases} cases, {noise:g}", binary, (cases, noise, rounds))
    for kind in KINDS:
        for cases in (50,) if quick else (50, 200, 1000):
            for noise in (0.1,) if quick or cases == 1000 else (0.02, 0.1, 0.3):
                name = f"false REGRESS: {kind.name}, {cases} cases, {noise:g}"
                yield Task(name, flips, (kind, cases, noise, rounds))
    for cases in (50,) if quick else (50, 200):
        for noise in (0.3,) if quick else (0.1, 0.3):
            name = f"false REGRESS: six metrics, {cases} cases, {noise:g}"
            yield Task(name, six, (cases, noise, 100 if quick else rounds))


def binary(cases: int, noise: float, rounds: int) -> Cell:
    alarms = naive = 0
    spent = 0.0
    rng = Random(f"regress {cases} {noise}")
    for _ in range(rounds):
        test, broke, fixed, peeked = SequentialSignTest(cases, ALPHA), 0, 0, False
        path = list(stream(BINARY, cases, noise, 0.0, rng))
        alarms += any(test.add(difference) for difference in path)
        rest = SequentialSignTest(cases, ALPHA)
        for difference in path:
            rest.add(abs(difference))  # only fixed: it runs to the end and spends what it can
            broke, fixed = broke + (difference < 0), fixed + (difference > 0)
            peeked = peeked or bool(difference < 0 and broke > fixed and mcnemar_exact(broke, fixed) <= ALPHA)
        spent, naive = spent + rest.spent, naive + peeked
    return Cell(BINARY.name, cases, noise, 1, Rate(alarms, rounds), spent / rounds, Rate(naive, rounds))


def flips(kind: Kind, cases: int, noise: float, rounds: int, *, first: bool = True) -> Cell:
    alarms, rng = 0, Random(f"regress {kind.name} {cases} {noise}{'' if first else ' again'}")
    for seed in range(rounds) if first else range(10**6, 10**6 + rounds):
        test = SequentialFlips(cases, ALPHA, seed=seed, draws=DRAWS)
        sizes = clusters(kind, cases) or (1,) * cases
        path = stream(kind, cases, noise, 0.0, rng)
        units = ((math.fsum(next(path) for _ in range(size)), size) for size in sizes)
        alarms += any(test.add(total, cases=size) for total, size in units)
    found = Cell(kind.name, cases, noise, 1, Rate(alarms, rounds))
    if found.fine or not first:
        return found
    return replace(found, again=flips(kind, cases, noise, 5 * rounds, first=False).false)


def six(cases: int, noise: float, rounds: int) -> Cell:
    """Six independent metrics, which is the worst for Bonferroni's bound; one of them never passes."""
    alarms, rng = 0, Random(f"regress six {cases} {noise}")
    plans = [MetricPlan(f"m{number}", deciding=False) for number in range(6)]
    for _ in range(rounds):
        trial = Trial(plans, cases, alpha=ALPHA)
        paths = [stream(BINARY, cases, noise, 0.0, rng) for _ in plans]
        while trial.verdict is None:
            trial.add({plan.name: next(path) for plan, path in zip(plans, paths, strict=True)})
        alarms += trial.verdict == "regress"
    return Cell("pass or fail", cases, noise, 6, Rate(alarms, rounds))
