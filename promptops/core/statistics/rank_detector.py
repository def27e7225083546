"""A nightly watch over numbers whose distribution nobody knows: sequential ranks and a Shiryaev-Roberts e-detector."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Literal

from msgspec import Struct, field

Alarm = Literal["stable", "watch", "changed"]

SHIFTS = (0.25, 0.5, 1.0, 1.5, 2.0)
"""Sizes of a shift, in standard deviations of the rank scores, that the mixture bets on, in both directions."""
NIGHTS = 3650
"""Mean nights to a false alarm of one endpoint, at least."""
WATCH_SHARE = 0.1
LEAST_CALIBRATION = 30
MOST_CORRELATION = 0.1
"""Lag-1 correlation from which nights are no longer taken as independent, where it is also beyond chance."""


class RankDetector(Struct):
    """Whether tonight's numbers of one endpoint still come from where the earlier ones came from.

    H0: for every probe, the numbers of all nights are exchangeable (given those of the other probes on earlier nights).
    Assumes: nights are independent (see `lag_one`: measure it, then thin or refuse); `draw` is uniform and
    independent of everything. Nothing about the distribution: heavy tails, ties and constants are fine. Probes that
    are functions of each other break H0 in the letter; simulated, that raises no alarms (`docs/statistics.md`).
    Guarantee: the rank of tonight among its history, with ties broken at random, is uniform and independent of earlier
    ranks, so `detector - nights` is a martingale under H0: mean time to a false alarm ≥ `nights · endpoints`, and
    P(false alarm within t nights) ≤ t / (nights · endpoints) for each endpoint.
    Source: Shin, Ramdas & Rinaldo, "E-detectors: a nonparametric framework for sequential change detection", NEJSDS 2
    (2023), 229-260 (arXiv 2203.03532); sequential ranks: Rényi, Ann. Fac. Sci. Clermont-Ferrand 8 (1962),
    7-13; Gordon & Pollak, "A robust surveillance scheme for stochastically ordered alternatives", Ann. Statist. 23
    (1995), 1350-1375.

    `endpoints` is how many are watched together, `history` the calibration values and all nights since, by probe
    (`ordered`: the same by size, made as needed); `level` is the detector, `nights` how many were added. All fields are
    plain data, to be stored and given back.
    """

    endpoints: int = 1
    history: dict[str, list[float]] = field(default_factory=dict)
    ordered: dict[str, list[float]] = field(default_factory=dict)
    parts: dict[str, list[float]] = field(default_factory=dict)
    nights: int = 0

    @property
    def level(self) -> float:
        """The mean of the Shiryaev-Roberts statistics over probes, shifts and directions."""
        return math.fsum(value for part in self.parts.values() for value in part) / max(
            1, sum(map(len, self.parts.values()))
        )

    @property
    def threshold(self) -> float:
        return float(NIGHTS * self.endpoints)

    @property
    def alarm(self) -> Alarm:
        if self.level >= self.threshold:
            return "changed"
        return "watch" if self.level >= WATCH_SHARE * self.threshold else "stable"

    def calibrate(self, probe: str, values: Sequence[float]) -> None:
        """Give the values from before the first night; they are ranked against, and bet on not at all."""
        if self.nights or not values or not all(map(math.isfinite, values)):
            raise ValueError("calibration values are finite, at least one, and come before the first night")
        self.history.setdefault(probe, []).extend(values)
        self.parts.setdefault(probe, [0.0] * (2 * len(SHIFTS)))

    def add(self, tonight: Mapping[str, float], draws: Mapping[str, float]) -> Alarm:
        """Add one night, a number of each probe, with a uniform `draw` in (0, 1) of each that breaks its ties.

        A probe that could not be measured tonight is left out: it says nothing, and its statistic waits.
        """
        if unknown := sorted(set(tonight) - set(self.history)):
            raise ValueError(f"probes without calibration: {', '.join(unknown)}")
        if not all(map(math.isfinite, tonight.values())):
            raise ValueError("a measured number is finite")
        for probe, value in tonight.items():
            ordered = self._by_size(probe)
            score = rank_score(value, ordered, draws[probe])
            bets = (sign * shift for shift in SHIFTS for sign in (1, -1))
            self.parts[probe] = [
                (1 + part) * math.exp(bet * score - bet * bet / 2)
                for part, bet in zip(self.parts[probe], bets, strict=True)
            ]
            self.history[probe].append(value)
            insort(ordered, value)
        self.nights += 1
        return self.alarm

    def keep(self, probe: str, most: int) -> None:
        """Forget all but the newest `most` (at least one) values of a probe."""
        history, ordered = self.history[probe], self._by_size(probe)
        for value in history[:-most]:
            del ordered[bisect_left(ordered, value)]
        del history[:-most]

    def _by_size(self, probe: str) -> list[float]:
        if len(self.ordered.get(probe, ())) != len(self.history[probe]):
            self.ordered[probe] = sorted(self.history[probe])
        return self.ordered[probe]


def rank_score(value: float, ordered: Sequence[float], draw: float) -> float:
    """Return Φ⁻¹ of the randomised rank `(#less + U · (#ties + 1)) / t` of `value` among `ordered`, the history from
    the smallest to the largest, and itself (t in all).

    H0: `value` and the history are exchangeable. Assumes: `draw` is uniform in (0, 1), and independent of everything.
    Guarantee: then it is standard normal, exactly; without the draw, ties would make it a false alarm of its own.
    Source: as `RankDetector`.
    """
    if not 0 < draw < 1:
        raise ValueError("a draw lies between 0 and 1")
    less = bisect_left(ordered, value)
    ties = bisect_right(ordered, value) - less
    share = (less + draw * (ties + 1)) / (len(ordered) + 1)
    return NormalDist().inv_cdf(min(max(share, 1e-15), 1 - 1e-15))


class Correlation(Struct, frozen=True):
    """The lag-1 correlation of ranks: `value` in [-1, 1], and whether nights are close enough to independent.

    Every `thin`-th value can be used as if they were (1: all; None: refuse, they hang together too long).
    """

    value: float
    fine: bool
    thin: int | None


def lag_one(values: Sequence[float]) -> Correlation:
    """Measure how much a value says of the next, on ranks, so that outliers do not decide.

    H0: the values are exchangeable in time. Assumes: readings at equal distances, as these are meant to be.
    Guarantee: none that they are independent: with 60 values an AR(1) of .3 is noticed about 3 times in 4. It is above
    chance at one-sided 5 % where `value > 1.645 / √n`; below 10 values it cannot be told and is not fine.
    Source: Bartels, "The rank version of von Neumann's ratio test for randomness", JASA 77 (1982), 40-46.
    """
    n = len(values)
    if n < 10:
        return Correlation(0.0, fine=False, thin=None)
    ranks = _ranks(values)
    middle = (n - 1) / 2
    spread = sum((rank - middle) ** 2 for rank in ranks)
    if spread == 0:
        return Correlation(0.0, fine=True, thin=1)
    value = sum((a - middle) * (b - middle) for a, b in itertools.pairwise(ranks)) / spread
    if value <= max(MOST_CORRELATION, 1.645 / math.sqrt(n)):
        return Correlation(value, fine=True, thin=1)
    thin = math.ceil(math.log(MOST_CORRELATION / 2) / math.log(min(value, 0.99)))
    return Correlation(value, fine=False, thin=thin if n // thin >= LEAST_CALIBRATION else None)


def _ranks(values: Sequence[float]) -> list[float]:
    """Ranks from 0, equal values sharing the mean of theirs."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks, start = [0.0] * len(values), 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for place in order[start : end + 1]:
            ranks[place] = (start + end) / 2
        start = end + 1
    return ranks
