"""What a fixed number of pairs can detect, by the exact power of the tests at full N.

What looks after every case is in `planning`.

Assumes: pairs are independent and alike; `noise` is the share that flips for no reason, half each way.
"""

from __future__ import annotations

import functools
import math

from promptops.core.statistics.exact_pairs import exact_non_inferiority
from promptops.core.statistics.tango import non_inferiority
from promptops.core.stats import binomial_probability, mcnemar_exact, normal_tail, z_value

USUAL_NOISE = 0.04
"""The share of cases that flip for no reason that is reckoned with where nobody has seen more."""
_MANY = 2_000
_EXACT = 5_000  # pairs up to which an exact p value takes no time


def power_to_regress(pairs: int, drop: float, noise: float, alpha: float) -> float:
    """Return the chance that McNemar's exact test at `alpha` finds a true `drop` of the pass rate.

    `noise` is the share of pairs that flip for no reason, half each way; the drop comes on top of it.
    Planning, no H0: of the test of H0 "exchangeable within each pair". Assumes: pairs are independent and alike.
    Guarantee: exact up to 2,000 pairs, beyond by the normal approximation. Source: McNemar, Psychometrika 12 (1947),
    153-157; the sum is over the binomial numbers of pairs that differ.
    """
    worse = min(1.0, noise / 2 + drop)
    flips = min(1.0, worse + noise / 2)
    if flips <= 0:
        return 0.0
    if pairs > _MANY:
        most_by_chance, spread = z_value(alpha) * math.sqrt(pairs * flips), math.sqrt(pairs * (flips - drop * drop))
        return normal_tail((most_by_chance - pairs * drop) / spread) if spread else 1.0
    return sum(
        chance * _share_at_least(_critical(count, alpha), count, worse / flips)
        for count, chance in _likely(pairs, flips)
    )


def detectable_drop(pairs: int, noise: float, alpha: float, *, power: float = 0.8) -> float | None:
    """Return the smallest drop that is found with `power`; None where not even a drop of 100 points is.

    Planning, no H0. Assumes, and source: as `power_to_regress`. Guarantee: to 1 % of itself.
    """
    if not pairs or power_to_regress(pairs, 1.0, 0.0, alpha) < power:
        return None
    low, high = 0.0, min(1.0, 16 / pairs)
    while high < 1 and power_to_regress(pairs, high, noise, alpha) < power:  # small drops are the cheap ones to reckon
        low, high = high, min(1.0, 2 * high)
    while high - low > 0.01 * high:
        middle = (low + high) / 2.0
        low, high = (middle, high) if power_to_regress(pairs, middle, noise, alpha) < power else (low, middle)
    return high


def pairs_to_settle(
    broke: int,
    fixed: int,
    pairs: int,
    margin: float,
    alpha: float,
    *,
    after_betting: bool = False,
    most: int = 1_000_000,
) -> int | None:
    """Return about how many pairs would decide, if flips went on as they did so far; None where `most` would not.

    Planning, no H0. Assumes: that they do go on so, which nobody knows. Guarantee: none. Source: the tests themselves,
    `non_inferiority` to get near and `exact_non_inferiority` at the end.
    """

    def shown(total: float, scale: float) -> bool:
        if non_inferiority(broke * scale, fixed * scale, total, margin) > alpha:
            return False
        if total > _EXACT:
            return True
        count, worse, better = math.ceil(total), math.ceil(broke * scale), math.floor(fixed * scale)
        found = exact_non_inferiority(worse, better, count, margin, alpha=alpha, after_betting=after_betting)
        return found <= alpha

    total = float(pairs)
    while pairs and total < most:
        total = max(total + 1, total * 1.02)
        scale = total / pairs
        if shown(total, scale):
            return math.ceil(total)
        if broke > fixed and mcnemar_exact(math.floor(broke * scale), math.ceil(fixed * scale)) <= alpha:
            return math.ceil(total)
    return None


@functools.lru_cache(maxsize=4096)
def _critical(count: int, alpha: float) -> int:
    """The smallest number of broken among `count` discordant pairs that is significant; `count` + 1: none is."""
    low, high = count // 2, count + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if mcnemar_exact(middle, count - middle) <= alpha else (middle + 1, high)
    return low


def _likely(trials: int, rate: float) -> list[tuple[int, float]]:
    """The numbers of successes that together have nearly all probability, with their chances."""
    spread = 7 * math.sqrt(trials * rate * (1 - rate)) + 7
    low, high = max(0, math.floor(trials * rate - spread)), min(trials, math.ceil(trials * rate + spread))
    return [(count, binomial_probability(count, trials, rate)) for count in range(low, high + 1)]


def _share_at_least(least: int, count: int, rate: float) -> float:
    most = min(count, math.ceil(count * rate + 9 * math.sqrt(count * rate * (1 - rate))) + 9)  # beyond is nothing
    return min(1.0, sum(binomial_probability(k, count, rate) for k in range(max(0, least), most + 1)))
