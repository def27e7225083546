"""An exact sequential sign test: is the candidate worse, looked at after every case?"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from promptops.core.statistics.spending import allowed_error

_NOTHING = 1e-30  # paths with fewer broken cases than anybody will see: together less than rounding


@dataclass(slots=True)
class SequentialSignTest:
    """McNemar's exact test with a look after every case, one-sided: stops when too many of the flips are broken cases.

    H0: within each case the two versions are exchangeable ("nothing changed"), so that each flip is broken or fixed
    by a fair coin, whatever the others do.
    Assumes: cases are added in an order that does not depend on how they came out; `cases` (N) and `alpha` are fixed
    before the first. Nothing about how often cases flip, or that they are alike. A case that could not be measured is
    not added; whether it could be may depend on the case, and under H0 not on which version is which.
    A coin that falls on "broken" less than half of the time is under H0, too: it stops no more often.
    Guarantee: P(it ever stops | H0) ≤ alpha, exactly, for every number and place of the ties: the boundary depends only
    on which cases flipped, and given these the signs are fair coins. The number of flips is random, so the error is
    spent by cases seen, and what a look could not spend (the binomial is discrete) is left for the next.
    Source: McNemar, Psychometrika 12 (1947), 153-157; the boundary by the recursion of Armitage, McPherson & Rowe,
    JRSS A 132 (1969), 235-244, over the paths that were not stopped before.

    `seen` cases were added, of which `broke` and `fixed` flipped; `spent` is the chance under H0 that it would have
    stopped by now; `stopped_at` is the case (from 1) at which it stopped. What is added after that changes nothing.
    """

    cases: int
    alpha: float
    seen: int = 0
    broke: int = 0
    fixed: int = 0
    spent: float = 0.0
    stopped_at: int | None = None
    _alive: list[float] = field(default_factory=lambda: [1.0], repr=False)
    """Chance of each number of broken cases, from `_fewest` on, among the paths that were not stopped."""
    _fewest: int = field(default=0, repr=False)

    def __post_init__(self) -> None:
        if self.cases < 1 or not 0 < self.alpha < 0.5:
            raise ValueError("a sequential test needs at least one case, and alpha between 0 and .5")

    @property
    def stopped(self) -> bool:
        return self.stopped_at is not None

    @property
    def boundary(self) -> int:
        """How many broken cases stop it now, with as many flips as there were."""
        return self._fewest + len(self._alive)

    def add(self, difference: float, *, cases: int = 1) -> bool:
        """Add one unit of `cases` cases, `difference` -1, 0 or 1, and return whether the test has stopped."""
        if difference not in (-1, 0, 1):
            raise ValueError(f"a sign test knows -1, 0 and 1, not {difference!r}")
        if self.stopped:
            return True
        self.seen += cases
        if difference:
            self.broke += difference < 0
            self.fixed += difference > 0
            self._toss()
        self._lower()
        if self.broke >= self.boundary:
            self.stopped_at = self.seen
        return self.stopped

    def _toss(self) -> None:
        """One flip more: half of each path's chance moves up by one. What is next to impossible is let go."""
        before = self._alive
        self._alive = [before[0] / 2, *((few + many) / 2 for few, many in pairwise(before)), before[-1] / 2]
        if self._alive[0] < _NOTHING and len(self._alive) > 1:
            del self._alive[0]
            self._fewest += 1

    def _lower(self) -> None:
        """Stop the paths with most broken cases as far as the error allows, and never where half or fewer broke."""
        left, flips = allowed_error(self.alpha, self.seen, self.cases) - self.spent, self.broke + self.fixed
        while 2 * (self.boundary - 1) > flips and len(self._alive) > 1 and self._alive[-1] <= left:
            gone = self._alive.pop()
            left -= gone
            self.spent += gone
