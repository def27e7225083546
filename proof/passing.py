"""False PASS: the candidate is worse by just the margin, looked at after every case, never stopped by a REGRESS."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from promptops.core.statistics.betting import ANYTIME_SHARE, BETS
from promptops.core.statistics.exact_pairs import exact_non_inferiority
from promptops.core.statistics.metric import MetricPlan, MetricTest, Units
from promptops.core.statistics.tango import non_inferiority
from proof.rates import Rate
from proof.streams import KINDS, Kind, clusters, stream
from proof.tasks import Task

ALPHA = 0.05
_SIZES = (18, 20, 38, 59, 73, 100, 137, 200, 400)
EXACT = (
    (0.05, 0.02, _SIZES),
    (0.05, 0.05, (*_SIZES, 777)),
    *((0.05, margin, _SIZES) for margin in (0.1, 0.15, 0.3)),
    *((alpha, margin, (18, 38, 73, 137, 333)) for alpha in (0.01, 0.1) for margin in (0.03, 0.05, 0.15)),
)
"""Alpha, margin and numbers of cases of what is enumerated."""
EXCESS = (0.0, 0.002, 0.01, 0.05, 0.12, 0.25, 0.45)
"""Noise on top of the drop: none of it is where pass and fail are most discrete."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Exact:
    """The chance of a false PASS by enumeration: `anytime` by betting, `at_full_n` of its test alone, `total` of both.

    `tango` is what Tango's score test at four fifths of `alpha` would err alone.
    """

    cases: int
    margin: float
    noise: float
    anytime: float
    at_full_n: float
    total: float
    tango: float
    alpha: float = ALPHA


@dataclass(frozen=True, slots=True)
class Cell:
    kind: str
    cases: int
    noise: float
    false: Rate


def exact_cells(*, quick: bool) -> Iterator[Task]:
    for alpha, margin, sizes in ((0.05, 0.05, (18, 59)),) if quick else EXACT:
        for cases in sizes:
            name = f"false PASS, exactly: {cases} cases, margin {margin:g}, alpha {alpha:g}"
            yield Task(name, worst, (cases, margin, alpha))


def cells(*, quick: bool) -> Iterator[Task]:
    for kind in KINDS:
        for cases in (100,) if quick else (50, 200):
            for noise in (0.1,) if quick else (0.02, 0.1, 0.3):
                name = f"false PASS: {kind.name}, {cases} cases, {noise:g}"
                yield Task(name, simulated, (kind, cases, noise, 200 if quick else 2000))


def worst(cases: int, margin: float, alpha: float) -> Exact:
    """The share of noise on top of the drop at which a false PASS is likeliest; `tango` at the worst for itself."""
    found = [enumerate_pass(cases, margin, noise, alpha=alpha) for noise in EXCESS if margin + noise <= 1]
    most = max(found, key=lambda cell: cell.total)
    return replace(most, tango=max(cell.tango for cell in found))


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
    flips = broke + fixed
    chance = binom.pmf(flips, cases, worse + better) * binom.pmf(broke, flips, worse / (worse + better))
    likely = np.flatnonzero(binom.pmf(fixed[0], cases, better) > 1e-13)
    region, by_tango = (
        _region(likely, most, cases, partial(test, cases, margin, alpha)) for test in (_shown, _by_tango)
    )
    return Exact(
        cases,
        margin,
        noise,
        anytime,
        float(chance[region & (flips <= cases)].sum()),
        anytime + float(alive[region].sum()),
        float(chance[by_tango & (flips <= cases)].sum()),
        alpha,
    )


def _wealth(broke: npt.NDArray[np.int64], fixed: npt.NDArray[np.int64], seen: int, margin: float) -> Floats:
    """`BettingTest.wealth` after `broke` and `fixed` of `seen` cases: it does not depend on their order."""
    same = np.maximum(seen - broke - fixed, 0)
    total: Floats = np.zeros((len(broke), fixed.shape[1]))
    for bet, weight in BETS:
        lost, tied, gained = (np.log1p(bet * (d + margin) / (1 - margin)) for d in (-1, 0, 1))
        total += weight * np.exp(np.minimum(broke * lost + same * tied + fixed * gained, 600.0))
    return total / sum(weight for _, weight in BETS)


def _shown(cases: int, margin: float, alpha: float, broke: int, fixed: int) -> bool:
    return exact_non_inferiority(broke, fixed, cases, margin, alpha=alpha, after_betting=True) <= alpha


def _by_tango(cases: int, margin: float, alpha: float, broke: int, fixed: int) -> bool:
    return non_inferiority(broke, fixed, cases, margin) <= (1 - ANYTIME_SHARE) * alpha


def _region(
    likely: npt.NDArray[np.intp], most: Sequence[int], cases: int, shown: Callable[[int, int], bool]
) -> npt.NDArray[np.bool_]:
    """Where a test passes: with each number of fixed cases up to so many broken, nearly as many as with one less."""
    region, reached = np.zeros((most[0], most[1]), dtype=np.bool_), 0
    for fixed in likely.tolist():
        end = min(most[0], cases - fixed + 1)
        while reached < end and shown(reached, fixed):
            reached += 1
        while reached > 0 and (reached > end or not shown(reached - 1, fixed)):
            reached -= 1
        region[:reached, fixed] = True
    return region
