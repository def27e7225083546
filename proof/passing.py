"""False PASS: the candidate is worse by just the margin, looked at after every case, never stopped by a REGRESS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from promptops.core.statistics.betting import BETS
from promptops.core.statistics.metric import ANYTIME_SHARE, MetricPlan, MetricTest, Units
from promptops.core.statistics.tango import non_inferiority
from proof.rates import Rate
from proof.streams import KINDS, Kind, clusters, stream
from proof.tasks import Task

ALPHA = 0.05
EXCESS = (0.0, 0.002, 0.01, 0.05, 0.25)
"""Noise on top of the drop: none of it is where pass and fail are most discrete."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Exact:
    """The chance of a false PASS by enumeration: `anytime` by betting before full N, `tango` of its test alone."""

    cases: int
    margin: float
    noise: float
    anytime: float
    tango: float
    total: float


@dataclass(frozen=True, slots=True)
class Cell:
    kind: str
    cases: int
    noise: float
    false: Rate


def exact_cells(*, quick: bool) -> Iterator[Task]:
    sizes = (20, 59) if quick else (20, 35, 50, 59, 60, 65, 75, 90, 100, 120, 150, 200, 300, 400, 1000)
    for margin in (0.05,) if quick else (0.02, 0.05, 0.1, 0.2):
        for cases in sizes:
            for noise in EXCESS:
                if margin + noise <= 1:
                    name = f"false PASS, exactly: {cases} cases, margin {margin:g}, {noise:g}"
                    yield Task(name, enumerate_pass, (cases, margin, noise))


def cells(*, quick: bool) -> Iterator[Task]:
    for kind in KINDS:
        for cases in (100,) if quick else (50, 200):
            for noise in (0.1,) if quick else (0.02, 0.1, 0.3):
                name = f"false PASS: {kind.name}, {cases} cases, {noise:g}"
                yield Task(name, simulated, (kind, cases, noise, 200 if quick else 2000))


def simulated(kind: Kind, cases: int, noise: float, rounds: int) -> Cell:
    passed, rng, margin = 0, Random(f"pass {kind.name} {cases} {noise}"), 0.05
    units, plan = Units(cases, clusters(kind, cases)), MetricPlan("m", margin, graded=kind.graded)
    for seed in range(rounds):
        test = MetricTest(plan, units, (), alpha=ALPHA, seed=seed)
        for difference in stream(kind, cases, noise, margin, rng):
            test.add(difference)
            if test.passed:
                break
        else:
            test.finish()
        passed += test.passed is not None
    return Cell(kind.name, cases, noise, Rate(passed, rounds))


def enumerate_pass(cases: int, margin: float, noise: float, *, alpha: float = ALPHA) -> Exact:
    """Sum over all numbers of broken and fixed cases after each case, without those that have passed."""
    worse, better = margin + noise / 2, noise / 2
    most = [int(binom.ppf(1 - 1e-12, cases, chance)) + 2 if chance else 1 for chance in (worse, better)]
    broke, fixed = np.arange(most[0])[:, None], np.arange(most[1])[None, :]
    alive: Floats = np.zeros((most[0], most[1]))
    alive[0, 0] = 1.0
    anytime = 0.0
    for seen in range(1, cases + 1):
        moved = (1 - worse - better) * alive
        moved[1:] += worse * alive[:-1]
        moved[:, 1:] += better * alive[:, :-1]
        won = _wealth(broke, fixed, seen, margin) >= 1 / (ANYTIME_SHARE * alpha)
        anytime += float(moved[won].sum())
        alive = np.where(won, 0.0, moved)
    region = _tango_region(most[0], most[1], cases, margin, alpha)
    flips = broke + fixed
    chance = binom.pmf(flips, cases, worse + better) * binom.pmf(broke, flips, worse / (worse + better))
    tango = float(chance[region & (flips <= cases)].sum())
    return Exact(cases, margin, noise, anytime, tango, anytime + float(alive[region].sum()))


def _wealth(broke: npt.NDArray[np.int64], fixed: npt.NDArray[np.int64], seen: int, margin: float) -> Floats:
    """`BettingTest.wealth` after `broke` and `fixed` of `seen` cases: it does not depend on their order."""
    same = np.maximum(seen - broke - fixed, 0)
    total: Floats = np.zeros((len(broke), fixed.shape[1]))
    for bet, weight in BETS:
        lost, tied, gained = (np.log1p(bet * (d + margin) / (1 - margin)) for d in (-1, 0, 1))
        total += weight * np.exp(np.minimum(broke * lost + same * tied + fixed * gained, 600.0))
    return total / sum(weight for _, weight in BETS)


def _tango_region(most_broke: int, most_fixed: int, cases: int, margin: float, alpha: float) -> npt.NDArray[np.bool_]:
    region = np.zeros((most_broke, most_fixed), dtype=np.bool_)
    for fixed in range(most_fixed):
        for broke in range(min(most_broke, cases - fixed + 1)):
            if non_inferiority(broke, fixed, cases, margin) > (1 - ANYTIME_SHARE) * alpha:
                break
            region[broke, fixed] = True
    return region
