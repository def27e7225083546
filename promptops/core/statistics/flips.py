"""Sequential sign flips: is the candidate worse, for graded scores, several samples a case, or clusters of cases?"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from promptops.core.statistics.spending import allowed_error

DRAWS = 9_999
_GRID = float(1 << 40)  # differences become whole numbers, so that sums, and which of them are equal, are exact


class SequentialFlips:
    """A sign-flip test of the sum of differences with a look after every unit, one-sided: stops when it is too low.

    H0: within each unit the two versions are exchangeable, so that its difference is as likely `-d` as `d`. A unit is a
    case (with all its samples), or a cluster of cases whose differences are added up and flip together.
    Assumes: what `SequentialSignTest` assumes; units are independent. Nothing about the shape of the differences: rare
    large losses, ties and outliers are part of |d|, which is held fixed.
    Guarantee: P(it ever stops | H0) ≤ alpha for every number of draws, not only in the limit. The data are one of
    `draws + 1` paths with the same |d|, exchangeable under H0; a look stops those with the lowest sums, at most
    `alpha · (n/N)² · (draws + 1)` of them in all, so the chance that the data are among them is no larger. This is
    `p = (1 + #) / (1 + draws)` at each look, over the paths that were not stopped before.
    Source: Fisher, "The Design of Experiments" (1935), §21; Phipson & Smyth, "Permutation p-values should never be
    zero", Stat. Appl. Genet. Mol. Biol. 9 (2010), 39; the spending as in `spending`.

    `seen` cases of `cases` were added, with the sum `total`; `spent` is the share of paths stopped by then, the
    data among them where they are; `stopped_at` is the number of cases at which it stopped.
    """

    def __init__(self, cases: int, alpha: float, *, seed: int, draws: int = DRAWS) -> None:
        if cases < 1 or not 0 < alpha < 0.5 or draws < 1:
            raise ValueError("sign flips need at least one case and one draw, and alpha between 0 and .5")
        self.cases, self.alpha, self.draws = cases, alpha, draws
        self.seen = 0
        self.stopped_at: int | None = None
        self._coins = np.random.PCG64(seed)
        self._sums = np.zeros(draws + 1, dtype=np.int64)  # the first is the data
        self._gone = 0

    @property
    def stopped(self) -> bool:
        return self.stopped_at is not None

    @property
    def total(self) -> float:
        return float(self._sums[0]) / _GRID

    @property
    def spent(self) -> float:
        return self._gone / (self.draws + 1)

    def add(self, difference: float, *, cases: int = 1) -> bool:
        """Add a unit of `cases` cases, with their differences summed up, and return whether the test has stopped."""
        if not abs(difference) <= cases:
            raise ValueError(f"a difference of {cases} cases lies in [{-cases}, {cases}], not {difference!r}")
        if self.stopped:
            return True
        self.seen += cases
        step = round(difference * _GRID)
        if step:
            self._sums[0] += step
            self._sums[1:] += _coins(self._coins, len(self._sums) - 1) * abs(step)
        self._look()
        return self.stopped

    def _look(self) -> None:
        allowed = math.floor(allowed_error(self.alpha, self.seen, self.cases) * (self.draws + 1)) - self._gone
        if allowed <= 0 or self._sums.size <= allowed:
            return
        edge = np.partition(self._sums, allowed)[allowed]
        low = self._sums < min(edge, 0)  # who is equal to the first that may stay, stays
        self._gone += int(low.sum())
        if low[0]:
            self.stopped_at = self.seen
        elif low.any():
            self._sums = self._sums[~low]


def sign_flip_test(differences: Sequence[float], *, seed: int, draws: int = DRAWS) -> float:
    """Return the one-sided p value, `(1 + #) / (1 + draws)`, that the sum of `differences` is so low: one look, at
    the end.

    H0, assumptions and source are those of `SequentialFlips`; the guarantee is P(p ≤ a | H0) ≤ a for every a.
    """
    steps = np.array([round(difference * _GRID) for difference in differences], dtype=np.int64)
    coins, sums = np.random.PCG64(seed), np.zeros(draws, dtype=np.int64)
    for step in steps[steps != 0]:
        sums += _coins(coins, draws) * abs(step)
    return float(1 + int((sums <= steps.sum()).sum())) / (1 + draws)


def _coins(source: np.random.PCG64, count: int) -> npt.NDArray[np.int64]:
    """`count` fair signs from the raw stream of the generator, which is the same in every version of numpy."""
    raw = np.atleast_1d(np.asarray(source.random_raw(max(1, -(-count // 64))), dtype="<u8"))
    bits = np.unpackbits(raw.view(np.uint8))[:count]
    return bits.astype(np.int64) * 2 - 1
