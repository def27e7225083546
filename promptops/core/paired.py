"""Tango's score test and interval for the difference of two paired rates, and what a number of pairs can detect.

Source of test and interval: Tango, "Equivalence test and confidence interval for the difference in proportions for the
paired-sample design", Statistics in Medicine 17 (1998), 891-908.
"""

from __future__ import annotations

import functools
import math

from promptops.core.stats import binomial_probability, mcnemar_exact, normal_tail, z_value


def tango_score(broke: float, fixed: float, pairs: float, difference: float) -> float:
    """Return Tango's z for H0 "the rate of the candidate minus that of the baseline is `difference`" (in [-1, 1]).

    `broke` pairs passed with the baseline only, `fixed` with the candidate only, of `pairs` in all. Positive when the
    data lie above `difference`; ±infinity where H0 leaves no variance.
    """
    b = -fixed - broke + (2 * pairs - fixed + broke) * difference
    c = -broke * difference * (1 - difference)
    restricted = max(0.0, (math.sqrt(max(0.0, b * b - 8 * pairs * c)) - b) / (4 * pairs))
    variance = pairs * (2 * restricted + difference * (1 - difference))
    distance = fixed - broke - pairs * difference
    if variance <= 1e-12 * pairs:
        return 0.0 if abs(distance) < 1e-9 else math.copysign(math.inf, distance)
    return distance / math.sqrt(variance)


def non_inferiority(broke: float, fixed: float, pairs: float, margin: float) -> float:
    """Return the one-sided p value of H0 "worse by `margin` (in (0, 1)) or more"; 1.0 without pairs."""
    return normal_tail(tango_score(broke, fixed, pairs, -margin)) if pairs else 1.0


def tango_interval(broke: int, fixed: int, pairs: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Return the two-sided score interval of candidate minus baseline rate; (-1, 1) without pairs."""
    if not pairs:
        return -1.0, 1.0
    z = z_value((1.0 - confidence) / 2.0)
    return _root(broke, fixed, pairs, z), _root(broke, fixed, pairs, -z)


def _root(broke: int, fixed: int, pairs: int, z: float) -> float:
    """The difference whose score is `z`: the score falls as the difference grows, so halving finds it."""
    low, high = -1.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if tango_score(broke, fixed, pairs, middle) > z else (low, middle)
    return (low + high) / 2.0


def pairs_for_no_flip(margin: float, alpha: float) -> int:
    """The pairs that show "not worse than `margin`" where not one pair is discordant: z² (1 - margin) / margin."""
    return math.ceil(z_value(alpha) ** 2 * (1 - margin) / margin)


def power_to_regress(pairs: int, drop: float, noise: float, alpha: float) -> float:
    """Return the chance that McNemar's exact test at `alpha` finds a true `drop` of the pass rate.

    `noise` is the share of pairs that flip for no reason, half each way; the drop comes on top of it.
    """
    worse = min(1.0, noise / 2 + drop)
    flips = min(1.0, worse + noise / 2)
    if flips <= 0:
        return 0.0
    return sum(
        chance * _share_at_least(_critical(count, alpha), count, worse / flips)
        for count, chance in _likely(pairs, flips)
    )


def power_to_pass(pairs: int, noise: float, margin: float, alpha: float) -> float:
    """Return the chance that an equal candidate is shown to be not worse than `margin` at `alpha`."""
    total = 0.0
    for count, chance in _likely(pairs, noise):
        worst = -1  # the more broke, the larger p: the largest number that still passes
        while worst < count and non_inferiority(worst + 1, count - worst - 1, pairs, margin) <= alpha:
            worst += 1
        total += chance * (1.0 - _share_at_least(worst + 1, count, 0.5))
    return total


def detectable_drop(pairs: int, noise: float, alpha: float, *, power: float = 0.8) -> float | None:
    """Return the smallest drop that is found with `power`; None where not even a drop of 100 points is."""
    if not pairs or power_to_regress(pairs, 1.0, 0.0, alpha) < power:
        return None
    low, high = 0.0, 1.0
    for _ in range(12):
        middle = (low + high) / 2.0
        low, high = (middle, high) if power_to_regress(pairs, middle, noise, alpha) < power else (low, middle)
    return high


def pairs_to_settle(
    broke: int, fixed: int, pairs: int, margin: float, alpha: float, *, most: int = 1_000_000
) -> int | None:
    """Return about how many pairs would decide, if flips went on as they did so far; None where `most` would not."""
    total = float(pairs)
    while pairs and total < most:
        total = max(total + 1, total * 1.02)
        scale = total / pairs
        if non_inferiority(broke * scale, fixed * scale, total, margin) <= alpha:
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
    return min(1.0, sum(binomial_probability(k, count, rate) for k in range(max(0, least), count + 1)))
