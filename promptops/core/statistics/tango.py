"""Tango's score test and interval for the difference of two paired rates.

Assumes: pairs are independent and alike. Guarantee: asymptotic, so no verdict rests on it: it orders data and plans,
and `exact_pairs` decides. At a level of .04 it errs in .064 of 13 pairs at the margin .3, at .08 in .14 of 38 at .05.

Source of test and interval: Tango, "Equivalence test and confidence interval for the difference in proportions for the
paired-sample design", Statistics in Medicine 17 (1998), 891-908.
"""

from __future__ import annotations

import math

from promptops.core.stats import normal_tail, z_value


def tango_score(broke: float, fixed: float, pairs: float, difference: float) -> float:
    """Return Tango's z for H0 "the rate of the candidate minus that of the baseline is `difference`" (in [-1, 1]).

    `broke` pairs passed with the baseline only, `fixed` with the candidate only, of `pairs` in all. Positive when the
    data lie above `difference`; ±infinity where H0 leaves no variance. Assumes, guarantee and source: see above.
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
    """Return the one-sided p value of H0 "worse by `margin` (in (0, 1)) or more"; 1.0 without pairs.

    Assumes, guarantee and source: see above.
    """
    return normal_tail(tango_score(broke, fixed, pairs, -margin)) if pairs else 1.0


def tango_interval(broke: int, fixed: int, pairs: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Return the two-sided score interval of candidate minus baseline rate; (-1, 1) without pairs.

    H0 of a point: it is the difference, by `tango_score`. Assumes, guarantee and source: see above.
    """
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
