"""Betting against "worse by the margin or more", valid at any time: PASS, and the interval that goes with it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

BETS = ((0.1, 1.0), (0.2, 1.0), (0.4, 1.5), (0.65, 1.5), (0.9, 2.0))
"""Shares of the capital that can be staked without ruin, each with its weight in the mixture.

Many flips want small stakes, a candidate that hardly flips wants large ones; which it is shows only later.
"""
ANYTIME_SHARE = 0.2
"""The part of alpha that a PASS may spend at any time, by betting; the rest is for one test at full N."""
_WEIGHTS = sum(weight for _, weight in BETS)
_LOG_WEIGHTS = tuple(math.log(weight / _WEIGHTS) for _, weight in BETS)


@dataclass(slots=True)
class BettingTest:
    """An e-process for non-inferiority: a gambler's wealth who bets that the candidate is not worse by `margin` (≥ 0).

    H0: mean difference ≤ -margin. In detail: the expected difference of the next unit, given those before, is at most
    -margin.
    Assumes: differences in [-1, 1], units drawn independently from the cases that the suite stands for, in a random
    order; nothing about their distribution, and no variance is estimated. (Drawn without replacement from the suite
    itself it erred less often in simulation; that is not proven.)
    Guarantee: under H0 the wealth is a supermartingale that starts at 1, so P(it ever reaches 1 / alpha) ≤ alpha
    (Ville): looking after every case, stopping for any reason and going on later cost nothing.
    Source: Waudby-Smith & Ramdas, "Estimating means of bounded random variables by betting", JRSS B 86 (2024), 1-27, §3
    and §4 (arXiv 2010.09686); a mixture over bets instead of a predicted bet.

    `wealth` is the mixture now, `most` the largest so far, `passed_at` the number of units at which it first reached
    1 / alpha.
    """

    margin: float
    alpha: float
    seen: int = 0
    most: float = 1.0
    passed_at: int | None = None
    _logs: list[float] = field(default_factory=lambda: [0.0] * len(BETS), repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.margin < 1 or not 0 < self.alpha < 1:
            raise ValueError("the margin lies in [0, 1), alpha between 0 and 1")

    @property
    def passed(self) -> bool:
        return self.passed_at is not None

    @property
    def wealth(self) -> float:
        return _mixture(self._logs)

    def add(self, difference: float, *, weight: float = 1.0) -> bool:
        """Add one unit and return whether "not worse" has been shown; a missing unit is added as -1, the worst.

        `weight` (0 to 1) is the size of a cluster over that of the largest: then the mean is over cases, not clusters.
        """
        if not -1 <= difference <= 1 or not 0 < weight <= 1:
            raise ValueError(f"a difference lies in [-1, 1], a weight in (0, 1]: not {difference!r}, {weight!r}")
        gain = weight * (difference + self.margin) / (1 - self.margin)
        self._logs = [log + math.log1p(bet * gain) for log, (bet, _) in zip(self._logs, BETS, strict=True)]
        self.seen += 1
        self.most = max(self.most, self.wealth)
        if self.passed_at is None and self.most >= 1 / self.alpha:
            self.passed_at = self.seen
        return self.passed


def betting_interval(
    differences: Iterable[float], *, confidence: float = 0.95, weights: Iterable[float] | None = None
) -> tuple[float, float]:
    """Return the anytime-valid interval of the mean difference, within [-1, 1].

    `weights` are the sizes of clusters over that of the largest, as in `BettingTest.add`: the mean is over cases.
    H0 of a point: it is the mean. Every one that a gambler has not won `2 / (1 - confidence)` against is in it,
    one-sided from below and from above.
    Assumes: as `BettingTest`. It assumes less than the test of REGRESS (a mean, not exchangeability), so it is wider
    and may contain 0 where that test has stopped.
    Guarantee: P(it ever misses the mean, at any number of cases) ≤ 1 - confidence.
    Source: as `BettingTest`, theorem 3 there.
    """
    _check(confidence)
    values = list(differences)
    counts = Counter(zip(values, [1.0] * len(values) if weights is None else weights, strict=True))
    if not counts:
        return -1.0, 1.0
    if not all(-1 <= value <= 1 and 0 < weight <= 1 for value, weight in counts):
        raise ValueError("differences lie in [-1, 1], weights in (0, 1]")
    # sorted: the sums are the same whatever the order
    target, ordered = 2 / (1 - confidence), [(*pair, count) for pair, count in sorted(counts.items())]
    mirrored = [(-value, weight, count) for value, weight, count in reversed(ordered)]
    return _lower_limit(ordered, target), -_lower_limit(mirrored, target)


def typical_interval(values: Iterable[float], *, confidence: float = 0.95) -> tuple[float, float]:
    """Return the anytime-valid interval of the median of `values`, which may be any numbers; ±infinity where too few.

    H0 of a point: at most half of the values are above it, and at most half below. It is outside when a gambler has won
    `2 / (1 - confidence)` against one of the two.
    Assumes: units are independent and alike; nothing about their distribution: only signs are looked at.
    Guarantee: P(it ever misses the median, at any number of units) ≤ 1 - confidence.
    Source: as `BettingTest`; for quantiles: Howard & Ramdas, "Sequential estimation of quantiles with applications to
    A/B testing and best-arm identification", Bernoulli 28 (2022), 1704-1728 (there by other bounds).
    """
    _check(confidence)
    ordered, target = sorted(values), 2 / (1 - confidence)
    if any(map(math.isnan, ordered)):
        raise ValueError("values are numbers: what could not be measured is left out")
    total = len(ordered)
    won = next((k for k in range(total // 2, total + 1) if _signs_wealth(k, total - k) >= target), None)
    return (ordered[total - won], ordered[won - 1]) if won else (-math.inf, math.inf)


def _check(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError("the confidence lies between 0 and 1")


def _signs_wealth(wins: int, losses: int) -> float:
    return _mixture([wins * math.log1p(bet) + losses * math.log1p(-bet) for bet, _ in BETS])


def _lower_limit(counts: Sequence[tuple[float, float, int]], target: float) -> float:
    """The least mean that wealth has not refuted: wealth against "the mean is at most m" falls as m grows."""
    return _halving(lambda mean: _wealth_against(counts, mean) >= target, -1.0, 1.0)


def _wealth_against(counts: Sequence[tuple[float, float, int]], mean: float) -> float:
    gains = [(weight * (value - mean) / (1 + mean), count) for value, weight, count in counts]
    return _mixture([sum(count * math.log1p(bet * gain) for gain, count in gains) for bet, _ in BETS])


def _mixture(logs: Sequence[float]) -> float:
    terms = [log + weight for log, weight in zip(logs, _LOG_WEIGHTS, strict=True)]
    top = max(terms)
    return math.exp(min(700.0, top + math.log(sum(math.exp(term - top) for term in terms))))


def _halving(refuted: Callable[[float], bool], low: float, high: float) -> float:
    """Where `refuted` (true below, false above) changes, from below."""
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if refuted(middle) else (low, middle)
    return low
