"""What a suite can decide, before money is spent: the canary's own tests, simulated."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from functools import cache, lru_cache, partial

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from promptops.core.statistics.betting import ANYTIME_SHARE
from promptops.core.statistics.exact_pairs import exact_non_inferiority, pairs_for_no_flip
from promptops.core.statistics.fixed_power import USUAL_NOISE
from promptops.core.statistics.many import Ints, ManyBettingTests, ManySignTests
from promptops.core.statistics.metric import FEWEST_CLUSTERS
from promptops.core.statistics.planning_units import ROUNDS as UNIT_ROUNDS
from promptops.core.statistics.planning_units import Levels, Shape, decide_units, draw_units

ROUNDS = 400
PLAIN = Shape()
NOISE = (0.02, USUAL_NOISE, 0.1)
"""Shares of cases that flip although nothing is better or worse: what an outlook is made for."""
DROPS = (0.02, 0.05, 0.1, 0.2)
MOST_SIMULATED = 2_000
"""Cases up to which a simulation takes a second."""


class Outlook(Struct, frozen=True):
    """How often a canary would say what, and how many cases it would take in the mean."""

    regress: float
    passed: float
    inconclusive: float
    mean_cases: float


def simulate(
    cases: int,
    *,
    drop: float,
    noise: float,
    margin: float = 0.05,
    alpha: float = 0.05,
    seed: int = 0,
    rounds: int | None = None,
    shape: Shape = PLAIN,
    tests: int = 1,
    finish: bool = True,
) -> Outlook:
    """Simulate canaries over `cases` cases of a candidate that is worse by `drop`, by the tests of a canary.

    `noise` is the share of cases that flip for no reason, half each way; the drop comes on top of it. `shape` says what
    a unit is, `tests` (≥ 1) how many metrics share the alpha of REGRESS: the first alarm takes alpha / tests. Without
    `finish` the tests at full N are left out, which no REGRESS needs.
    Planning, no H0. Assumes: units are independent and alike, the other metrics say nothing, nothing is missing.
    Guarantee: a share of `rounds`, whose standard error is at most `.5 / √rounds`. Source: the tests are those of
    `Trial`, made for many canaries at once.
    """
    levels = Levels(margin, alpha, alpha / tests)
    if not shape.plain:
        rounds = rounds or UNIT_ROUNDS
        return _of_units(cases, drop, noise, shape, levels, seed=seed, rounds=rounds, finish=finish)
    return _of_cases(cases, drop, noise, levels, seed=seed, rounds=rounds or ROUNDS, finish=finish)


def _of_cases(
    cases: int, drop: float, noise: float, levels: Levels, *, seed: int, rounds: int, finish: bool
) -> Outlook:
    chances = (min(1.0, drop + noise / 2), max(0.0, min(noise / 2, 1 - drop - noise / 2)))
    flips = _flips(cases, chances, seed, rounds)
    worse, betting = (
        ManySignTests(cases, levels.worse, rounds),
        ManyBettingTests(levels.margin, ANYTIME_SHARE * levels.alpha, rounds),
    )
    ended, verdicts = np.full(rounds, cases), np.zeros(rounds, dtype=np.int64)
    for case in range(cases):
        regressed, passed = worse.add(flips[case]), betting.add(flips[case])
        going = verdicts == 0
        verdicts[going & regressed] = 1
        verdicts[going & passed & ~regressed] = 2
        ended[going & (verdicts != 0)] = case + 1
        if not (verdicts == 0).any():
            break
    going = np.flatnonzero(verdicts == 0)
    counts = [(int((flips[:, row] < 0).sum()), int((flips[:, row] > 0).sum())) for row in going]
    if finish:
        verdicts[going[_shown(counts, cases, levels.margin, levels.alpha)]] = 2
    worse_share, pass_share, rest = (float((verdicts == which).mean()) for which in (1, 2, 0))
    return Outlook(worse_share, pass_share, rest, mean_cases=float(ended.mean()))


@lru_cache(maxsize=256)
def detectable_drop(
    cases: int,
    *,
    noise: float,
    margin: float = 0.05,
    alpha: float = 0.05,
    power: float = 0.8,
    seed: int = 0,
    shape: Shape = PLAIN,
    tests: int = 1,
) -> float | None:
    """Return the smallest drop (to half a point) that is a REGRESS with `power`; None where no drop is.

    The same random numbers are used for every drop, so that a larger one is found at least as often. Of more than
    `MOST_SIMULATED` cases it is what that many find. This is the figure of `estimate`, `canary` and `promote`.
    Planning, no H0. Assumes, and source: as `simulate`. Guarantee: to half a point and the error of `simulate`.
    """
    run = partial(simulate, noise=noise, margin=margin, alpha=alpha, seed=seed, shape=shape, tests=tests)

    def found(drop: float) -> bool:
        return run(min(cases, MOST_SIMULATED), drop=drop, finish=False).regress >= power

    if not found(1.0):
        return None
    low, high = 0.0, 1.0
    while high - low > 0.005:
        middle = (low + high) / 2
        low, high = (low, middle) if found(middle) else (middle, high)
    return high


@lru_cache(maxsize=256)
def cases_to_pass(
    *,
    noise: float,
    margin: float = 0.05,
    alpha: float = 0.05,
    power: float = 0.8,
    seed: int = 0,
    shape: Shape = PLAIN,
    rounds: int | None = None,
) -> int | None:
    """Return about how many cases an equal candidate needs to PASS with `power`; None: more than `MOST_SIMULATED`.

    Of passes and fails it is near 7.5 to 9.5 · noise / margin², and never below what it takes without a flip.
    Planning, no H0. Assumes, and source: as `simulate`. Guarantee: to 3 % and the error of `simulate`.
    """

    def enough(cases: int) -> bool:
        found = simulate(
            cases, drop=0.0, noise=noise, margin=margin, alpha=alpha, seed=seed, shape=shape, rounds=rounds
        )
        return found.passed >= power

    least = pairs_for_no_flip(margin, alpha, after_betting=True)
    low, high = 1, max(least, math.ceil(6 * noise / margin**2)) if shape.plain else least
    while high <= MOST_SIMULATED and not enough(high):
        low, high = high, math.ceil(high * 1.3)
    if high > MOST_SIMULATED:
        return None
    while high - low > max(1, 0.03 * high):
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


class Scenario(Struct, frozen=True):
    """A candidate that is worse by `drop`, while the share `noise` of cases flips for no reason."""

    drop: float
    noise: float
    outlook: Outlook


class SuiteOutlook(Struct, frozen=True):
    """What a suite can decide: at the shares of noise `NOISE`, and for the drops `DROPS` at the middle one.

    `least_cases` is what a PASS takes without a single flip; `detectable` is the drop that is found 4 times in 5 (None:
    none); `needed` the cases with which an equal candidate passes 4 times in 5, by noise (None: more than are
    simulated). `spread` is that of `Shape`: where it is not None, noise plays no part.
    """

    cases: int
    least_cases: int
    detectable: float | None
    equal: tuple[Scenario, ...]
    worse: tuple[Scenario, ...]
    needed: tuple[tuple[float, int | None], ...]
    spread: float | None = None


def suite_outlook(cases: int, *, margin: float, alpha: float, shape: Shape = PLAIN, tests: int = 1) -> SuiteOutlook:
    """Say what a canary over `cases` (≥ 0) cases can and cannot decide by its primary metric.

    A suite of more than `MOST_SIMULATED` cases is reckoned as one of that many: it decides more, not less.
    Planning, no H0. Assumes, guarantee and source: as `simulate`, `detectable_drop` and `cases_to_pass`.
    """
    simulated = min(cases, MOST_SIMULATED)
    run = partial(simulate, simulated, margin=margin, alpha=alpha, shape=shape, tests=tests)
    finds = partial(detectable_drop, cases, margin=margin, alpha=alpha, shape=shape, tests=tests)

    def scenario(drop: float, noise: float) -> Scenario:
        if not cases:
            return Scenario(drop, noise, Outlook(0.0, 0.0, 1.0, 0.0))
        return Scenario(drop, noise, run(drop=drop, noise=noise))

    shares = NOISE if shape.spread is None else NOISE[1:2]  # scores vary by their spread, not by a share of flips

    return SuiteOutlook(
        cases=cases,
        least_cases=least_cases(shape, margin, alpha),
        detectable=finds(noise=USUAL_NOISE) if cases else None,
        equal=tuple(scenario(0.0, noise) for noise in shares),
        worse=tuple(scenario(drop, USUAL_NOISE) for drop in DROPS),
        spread=shape.spread,
        needed=tuple((noise, cases_to_pass(noise=noise, margin=margin, alpha=alpha, shape=shape)) for noise in shares),
    )


def least_cases(shape: Shape, margin: float, alpha: float) -> int:
    """The cases that a PASS takes where nothing differs; with fewer only a candidate that does better can PASS.

    Planning, no H0. Assumes, and source: as `pairs_for_no_flip`, of other shapes as `simulate`. Guarantee: exact for
    passes and fails, else to 3 %.
    """
    if shape.plain:
        return pairs_for_no_flip(margin, alpha, after_betting=True)
    still = replace(shape, spread=None if shape.spread is None else 0.0)
    return cases_to_pass(noise=0.0, margin=margin, alpha=alpha, shape=still, rounds=1) or MOST_SIMULATED


def _of_units(
    cases: int, drop: float, noise: float, shape: Shape, levels: Levels, *, seed: int, rounds: int, finish: bool
) -> Outlook:
    sizes = shape.sizes(cases)
    differences = draw_units(shape, len(sizes), drop=drop, noise=noise, rounds=rounds, seed=seed)
    can_pass = not shape.clusters or len(sizes) >= FEWEST_CLUSTERS
    verdicts, ended = decide_units(differences, sizes, levels, can_pass=can_pass, finish=finish)
    regress, passed, rest = (float((verdicts == which).mean()) for which in (1, 2, 0))
    return Outlook(regress, passed, rest, mean_cases=float(ended.mean()))


def _shown(counts: Sequence[tuple[int, int]], cases: int, margin: float, alpha: float) -> list[bool]:
    """Whether `(broke, fixed)` are shown not worse at full N: for each number of fixed ones, up to so many broken."""

    @cache
    def most(fixed: int) -> int:
        broken = sorted({broke for broke, also in counts if also == fixed})
        test = partial(exact_non_inferiority, pairs=cases, margin=margin, alpha=alpha, after_betting=True)
        count = bisect.bisect_left(broken, 1, key=lambda broke: test(broke, fixed) > alpha)
        return broken[count - 1] if count else -1

    return [broke <= most(fixed) for broke, fixed in counts]


def _flips(cases: int, chances: tuple[float, float], seed: int, rounds: int) -> Ints:
    """-1, 0 or 1 of every case (rows) in every round (columns)."""
    uniform = np.random.Generator(np.random.PCG64(seed)).random((cases, rounds))
    worse, better = chances
    return np.where(uniform < worse, -1, np.where(uniform >= 1 - better, 1, 0))
