"""Quantiles of a stream of numbers, in memory that does not grow with it."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from typing import Final

from promptops.core.stats import quantile

EXACT: Final = 100_000  # values; of more, quantiles are within `WIDTH`
WIDTH: Final = 0.001  # relative width of a bin

_STEP: Final = math.log1p(WIDTH)
_NOTHING: Final = -(1 << 40)  # the bin of 0


class Quantiles:
    """Takes numbers ≥ 0 and gives their quantiles: those of `stats.quantile`, beyond `exact` values to 0.1 %."""

    def __init__(self, *, exact: int = EXACT) -> None:
        self._exact = exact
        self._values = array("d")
        self._bins: Counter[int] = Counter()
        self._count = 0

    def add(self, value: float) -> None:
        """Take one number."""
        self._count += 1
        if self._count <= self._exact:
            self._values.append(value)
            return
        if self._values:
            self._bins.update(map(_bin_of, self._values))
            self._values = array("d")
        self._bins[_bin_of(value)] += 1

    def quantile(self, q: float) -> float | None:
        """The `q` quantile (q in [0, 1]), None of nothing."""
        if not self._count:
            return None
        if self._values:
            return quantile(self._values, q)
        position = q * (self._count - 1)
        low, share = math.floor(position), position - math.floor(position)
        first = self._at(low)
        return first + share * (self._at(min(low + 1, self._count - 1)) - first)

    def _at(self, rank: int) -> float:
        """The middle of the bin that holds the value of `rank` (from 0)."""
        for number in sorted(self._bins):
            rank -= self._bins[number]
            if rank < 0:
                return 0.0 if number == _NOTHING else math.exp((number + 0.5) * _STEP)
        raise AssertionError("a rank below the count has a bin")


def _bin_of(value: float) -> int:
    return math.floor(math.log(value) / _STEP) if value > 0 else _NOTHING
