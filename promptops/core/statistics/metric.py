"""One metric of a trial: is the candidate worse, and is it shown to be not worse?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, Protocol

from msgspec import Struct

from promptops.core.statistics.betting import ANYTIME_SHARE, BettingTest
from promptops.core.statistics.exact_pairs import exact_non_inferiority
from promptops.core.statistics.sign_test import SequentialSignTest
from promptops.core.stats import fair_coin_tail

FEWEST_CLUSTERS = 20
DRAWS = 9_999

Passing = Literal["at any time", "at full N"]


class MetricPlan(Struct, frozen=True):
    """What is fixed before the first case; differences are candidate minus baseline, above 0 where that is better.

    `margin` is the mean drop (0 to 1) that still counts as not worse; `graded`: differences are any in [-1, 1], not
    only -1, 0 and 1; `deciding`: it has to PASS, and not only to be without REGRESS; not `critical`, it does neither,
    and only warns.

    `typical` is for what has no bounds (costs, seconds, tokens): what is added for a case is the room that is left
    below the limit that the margin allows, any number, below 0 where the candidate is beyond it. Only its sign counts,
    one for each unit, so that no rare large value can outweigh the others. Its hypotheses are about the typical unit:
    worse: H0 "at most half of the units are beyond the limit" (true where nothing changed, and then whatever the
    margin); not worse: H0 "half of them or more are". `margin` is then in the room already.
    """

    name: str
    margin: float = 0.05
    graded: bool = False
    deciding: bool = True
    critical: bool = True
    typical: bool = False


class Units(Struct, frozen=True):
    """The units of a trial: `cases` in all, in clusters of the sizes `clusters` in their order (empty: none)."""

    cases: int
    clusters: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.cases < 1 or (self.clusters and (min(self.clusters) < 1 or sum(self.clusters) != self.cases)):
            raise ValueError("the clusters of a trial hold its cases, at least one, and each cluster one or more")

    @property
    def can_pass(self) -> bool:
        """Fewer than 20 clusters are too few for anything but sign flips over them."""
        return not self.clusters or len(self.clusters) >= FEWEST_CLUSTERS


class Worse(Protocol):
    """A sequential test of "is it worse?"."""

    @property
    def stopped(self) -> bool: ...

    @property
    def spent(self) -> float: ...

    def add(self, difference: float, *, cases: int = 1) -> bool: ...


class MetricTest:
    """The tests of one metric, fed case by case; `levels` are the errors at which "is it worse?" is asked side by side.

    A missing difference (None) is no evidence that the candidate is worse, and is counted as lost where it has to be
    shown not worse: whoever fails to answer where it would be wrong must not pass by it, and what is filled in later
    can only help.
    H0, assumptions, guarantee and source: as `SequentialSignTest`, `SequentialFlips` and `BettingTest`, and at full N
    `exact_non_inferiority` and `bounded_mean_test`.
    """

    def __init__(self, plan: MetricPlan, units: Units, levels: tuple[float, ...], *, alpha: float, seed: int) -> None:
        self.plan, self.units, self.alpha, self.seed = plan, units, alpha, seed
        self.differences: list[float | None] = []
        self.worse = [self._sequence(level) for level in levels]
        self.betting = BettingTest(0.0 if plan.typical else plan.margin, ANYTIME_SHARE * alpha)
        self.passed: Passing | None = None
        self._ends = _ends(units.clusters)

    @property
    def exact(self) -> bool:
        """Whether the exact sign test decides; otherwise sign flips do."""
        return self.plan.typical or (not self.plan.graded and not self.units.clusters)

    @property
    def measured(self) -> list[float]:
        return [difference for difference in self.differences if difference is not None]

    def add(self, difference: float | None) -> None:
        """Add the next case in the order of the trial; None: it could not be measured. Raises as `check` does."""
        self.check(difference)
        self.differences.append(difference)
        if not self.units.clusters:
            self._unit([difference], 1.0)
        elif (size := self._ends.get(len(self.differences))) is not None:
            self._unit(self.differences[-size:], size / max(self.units.clusters))

    def check(self, difference: float | None) -> None:
        """Raise `ValueError` for what is no difference of this metric: NaN, or out of its bounds."""
        if difference is None:
            return
        if math.isnan(difference):
            raise ValueError("a difference is a number: what could not be measured is None")
        if self.plan.typical:
            return
        if not (abs(difference) <= 1 if self.plan.graded else difference in (-1, 0, 1)):
            bounds = "lies in [-1, 1]" if self.plan.graded else "is -1, 0 or 1"
            raise ValueError(f"a difference of {self.plan.name!r} {bounds}: not {difference!r}")

    @property
    def improved(self) -> bool:
        """Whether it is shown to be better: the mirrored test of "is it worse?", over what was added so far."""
        mirrored = MetricTest(self.plan, self.units, (self.alpha,), alpha=self.alpha, seed=self.seed)
        for difference in self.differences:
            mirrored.add(None if difference is None else -difference)
        return mirrored.worse[0].stopped

    def at_full_n(self) -> float:
        """Return the p value at full N, once all cases were added, to be compared with `alpha`; 1.0: too few units.

        The exact test of pairs for pass and fail, the sign test for the typical case, the test of a bounded mean for
        scores and clusters; missing cases count as lost. What betting may have spent is in it.
        """
        if len(self.differences) < self.units.cases:
            raise ValueError("the test at full N is made once, when every case is there")
        if not self.units.can_pass:
            return 1.0
        if self.plan.typical:
            tail = fair_coin_tail(sum(map(_within, self._in_units())), len(self._ends) or self.units.cases)
            return _beside_betting(tail)
        filled = [-1.0 if difference is None else difference for difference in self.differences]
        if self.exact:
            broke, fixed = filled.count(-1), filled.count(1)
            return exact_non_inferiority(
                broke, fixed, len(filled), self.plan.margin, alpha=self.alpha, after_betting=True
            )
        return _beside_betting(self._bounded_mean(filled))

    def finish(self) -> None:
        """Make the test at full N, where the metric has not passed before."""
        if self.passed is None and self.at_full_n() <= self.alpha:
            self.passed = "at full N"

    def _unit(self, differences: list[float | None], weight: float) -> None:
        known = [difference for difference in differences if difference is not None]
        if known:
            total = math.fsum(known)
            for test in self.worse:
                test.add((-1 if total < 0 else 1) if self.plan.typical else total, cases=len(known))
        if self.units.can_pass and self._bet(differences, known, weight):
            self.passed = self.passed or "at any time"

    def _bet(self, differences: list[float | None], known: list[float], weight: float) -> bool:
        if self.plan.typical:
            return self.betting.add(1.0 if _within(differences) else -1.0)
        filled = math.fsum(known) - (len(differences) - len(known))
        return self.betting.add(max(-1.0, min(1.0, filled / len(differences))), weight=weight)

    def _in_units(self) -> list[list[float | None]]:
        if not self.units.clusters:
            return [[difference] for difference in self.differences]
        return [self.differences[end - size : end] for end, size in self._ends.items()]

    def _bounded_mean(self, filled: list[float]) -> float:
        from promptops.core.statistics.bounded_mean import bounded_mean_test

        level = (1 - ANYTIME_SHARE) * self.alpha
        if not self.units.clusters:
            return bounded_mean_test(filled, self.plan.margin, alpha=level, seed=self.seed)
        means = [sum(filled[end - size : end]) / size for end, size in self._ends.items()]
        largest = max(self.units.clusters)
        weights = [size / largest for size in self.units.clusters]
        return bounded_mean_test(means, self.plan.margin, alpha=level, seed=self.seed, weights=weights)

    def _sequence(self, level: float) -> Worse:
        if self.exact:
            return SequentialSignTest(self.units.cases, level)
        from promptops.core.statistics.flips import SequentialFlips

        return SequentialFlips(self.units.cases, level, seed=self.seed, draws=DRAWS)


def _beside_betting(p_value: float) -> float:
    """Of a test that has what betting has not: p ≤ a where it is at most (1 - ANYTIME_SHARE) · a."""
    return min(1.0, p_value / (1 - ANYTIME_SHARE))


def _within(differences: Sequence[float | None]) -> bool:
    """Whether a unit of a typical metric keeps within its limit; one that was not measured whole does not."""
    known = [difference for difference in differences if difference is not None]
    return len(known) == len(differences) and math.fsum(known) >= 0


def _ends(clusters: tuple[int, ...]) -> dict[int, int]:
    """The number of cases at which a cluster is complete → its size."""
    ends, seen = {}, 0
    for size in clusters:
        seen += size
        ends[seen] = size
    return ends
