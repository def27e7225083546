"""What a suite can decide by scores, several samples a case, or clusters of cases: the canary's own tests, simulated.

The test of a bounded mean is made as it stands; sign flips are those of `SequentialFlips` for many canaries at once,
with fewer draws and looks, which costs a point of power or two, and finds a gross drop up to a tenth of the cases
later than the canary does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from promptops.core.statistics.betting import ANYTIME_SHARE, BETS
from promptops.core.statistics.bounded_mean import bounded_mean_test
from promptops.core.statistics.spending import allowed_error

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

ROUNDS = 200
DRAWS = 499
LOOKS = 60
_ORDERS = 20
_GRID = float(1 << 30)
_OUT = np.iinfo(np.int64).max // 4


class Shape(Struct, frozen=True):
    """What a unit of a canary is: `samples` (≥ 1) a case, `clusters` of these sizes in their order (empty: none).

    `spread` is the standard deviation of the difference of a score; None: cases pass or fail. The cases of a cluster
    all come out alike, which is the worst that they can do. Of cases that pass or fail the unstable ones are fair coins
    in every sample: as many as make the share `noise` of single samples flip.
    """

    samples: int = 1
    clusters: tuple[int, ...] = ()
    spread: float | None = None

    @property
    def plain(self) -> bool:
        """Whether one outcome of each case decides, by the tests of pairs."""
        return self.samples == 1 and not self.clusters and self.spread is None

    def sizes(self, cases: int) -> tuple[int, ...]:
        """The units of a suite of `cases`: the clusters over and over, cut where it ends."""
        if not self.clusters:
            return (1,) * cases
        found: list[int] = []
        while (left := cases - sum(found)) > 0:
            found += self.clusters if sum(self.clusters) <= left else _cut(self.clusters, left)
        return tuple(found)


def draw_units(shape: Shape, units: int, *, drop: float, noise: float, rounds: int, seed: int) -> Floats:
    """The mean difference of each unit (rows) in each of `rounds` canaries of a candidate that is worse by `drop`.

    Planning, no H0. Assumes: units are independent and alike; `Shape` says what a unit is. Guarantee: the mean is
    `-drop`, but where scores are cut off at -1 and 1. Source: numpy's PCG64, from `seed`.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    size = (units, rounds)
    if shape.spread is not None:
        return np.clip(rng.normal(-drop, shape.spread, size) if shape.spread else np.full(size, -drop), -1.0, 1.0)
    coins = min(1.0, 2 * noise)
    unstable = rng.random(size) < coins
    broken = rng.random(size) < min(1.0, drop / (1 - coins / 2))
    tosses = [np.where(unstable, rng.binomial(shape.samples, 0.5, size), shape.samples) for _ in range(2)]
    found: Floats = (np.where(broken, 0, tosses[1]) - tosses[0]) / shape.samples
    return found


class Levels(Struct, frozen=True):
    """The margin, the alpha of a PASS, and `worse`, that of a REGRESS, which several metrics may share."""

    margin: float
    alpha: float
    worse: float


def decide_units(
    differences: Floats, sizes: tuple[int, ...], levels: Levels, *, can_pass: bool = True, finish: bool = True
) -> tuple[Ints, Ints]:
    """The verdict of each column of `differences` (1: REGRESS, 2: PASS, 0: neither) and the cases that it took.

    Too few clusters never pass; without `finish` nobody does at full N.
    H0, assumes, guarantee and source: as `SequentialFlips`, `BettingTest` and `bounded_mean_test`, with fewer draws and
    looks (see above), so that it plans, and decides nothing.
    """
    margin, alpha = levels.margin, levels.alpha
    rounds, cases = differences.shape[1], sum(sizes)
    weights = np.array(sizes) / max(sizes)
    verdicts, ended = np.zeros(rounds, dtype=np.int64), np.full(rounds, cases)
    bets, shares = np.array([bet for bet, _ in BETS]), np.array([share for _, share in BETS])
    logs = np.tile(np.log(shares / shares.sum()), (rounds, 1))
    target = math.log(1 / (ANYTIME_SHARE * alpha))
    for unit, seen, worse in _flips(differences, sizes, levels.worse):
        gains = weights[unit] * (differences[unit] + margin) / (1 - margin)
        logs += np.log1p(np.outer(gains, bets))
        going = verdicts == 0
        verdicts[going & worse] = 1
        if can_pass:
            top = logs.max(axis=1)
            wealth = top + np.log(np.exp(logs - top[:, None]).sum(axis=1))
            verdicts[going & ~worse & (wealth >= target)] = 2
        ended[going & (verdicts != 0)] = seen
        if verdicts.all():
            break
    level = (1 - ANYTIME_SHARE) * alpha
    for row in np.flatnonzero(verdicts == 0) if can_pass and finish else ():
        p = bounded_mean_test(
            differences[:, row].tolist(), margin, alpha=level, seed=int(row), weights=weights.tolist(), orders=_ORDERS
        )
        verdicts[row] = 2 * (p <= level)
    return verdicts, ended


def _flips(differences: Floats, sizes: tuple[int, ...], alpha: float) -> Iterator[tuple[int, int, Bools]]:
    """`SequentialFlips` over all columns: each unit, the cases seen by then, and who has stopped by then."""
    rounds, cases = differences.shape[1], sum(sizes)
    draws = min(1_999, max(DRAWS, math.ceil(10 / alpha) - 1))
    rng = np.random.Generator(np.random.PCG64(rounds))
    sums = np.zeros((rounds, draws + 1), dtype=np.int64)
    gone, stopped, seen = np.zeros(rounds, dtype=np.int64), np.zeros(rounds, dtype=np.bool_), 0
    most, every = math.floor(alpha * (draws + 1)), max(1, len(sizes) // LOOKS)
    for unit, size in enumerate(sizes):
        steps = np.rint(differences[unit] * size * _GRID).astype(np.int64)
        moved = np.flatnonzero(steps)
        coins = rng.integers(0, 2, (len(moved), draws), dtype=np.int8) * 2 - 1
        sums[moved, 0] += steps[moved]
        sums[moved, 1:] += coins * np.abs(steps[moved])[:, None]
        seen += size
        if most and (unit % every == every - 1 or unit == len(sizes) - 1):
            allowed = math.floor(allowed_error(alpha, seen, cases) * (draws + 1)) - gone
            lowest = np.sort(np.partition(sums, most, axis=1)[:, : most + 1], axis=1)
            edge = np.minimum(lowest[np.arange(rounds), np.clip(allowed, 0, most)], 0)
            low = (sums < edge[:, None]) & (allowed > 0)[:, None]
            stopped |= low[:, 0]
            gone += low.sum(axis=1)
            sums[low] = _OUT
        yield unit, seen, stopped


def _cut(sizes: tuple[int, ...], cases: int) -> list[int]:
    found: list[int] = []
    for size in sizes:
        if sum(found) < cases:
            found.append(min(size, cases - sum(found)))
    return found
