"""Exact tests, intervals and quantiles for counts, in the standard library alone.

Everything here is compared with scipy and with enumeration in the tests; scipy itself is not needed at run time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

_STEPS = 200  # halvings of [0, 1] end at the resolution of a float long before
_TINY = 1e-300


def quantile(values: Sequence[float], q: float) -> float:
    """Return the `q` quantile (q in [0, 1]) of at least one value, linearly interpolated.

    Source: type 7 of Hyndman & Fan, "Sample Quantiles in Statistical Packages", The American Statistician 50 (1996),
    361-365; the default of numpy, R and Excel.
    """
    if not values or not 0.0 <= q <= 1.0:
        raise ValueError("a quantile needs at least one value and q in [0, 1]")
    ordered = sorted(values)
    position = q * (len(ordered) - 1)
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (position - low) * (ordered[high] - ordered[low])


def median(values: Sequence[float]) -> float:
    """The middle of at least one value."""
    return quantile(values, 0.5)


def ratio_of_medians(numerator: Sequence[float], denominator: Sequence[float]) -> float | None:
    """Return median / median; None where a side is empty or the denominator's median is 0.

    It describes, it tests nothing: one slow request moves a mean, and not a median.
    """
    if not numerator or not denominator or (below := median(denominator)) == 0:
        return None
    return median(numerator) / below


def wilson_interval(passed: int, total: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval of `passed` of `total` (≥ 1), two-sided.

    Source: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22 (1927), 209-212.
    """
    _check(passed, total)
    z = z_value((1.0 - confidence) / 2.0)
    rate, square = passed / total, z * z / total
    centre = (rate + square / 2.0) / (1.0 + square)
    half = z / (1.0 + square) * math.sqrt(rate * (1.0 - rate) / total + square / (4.0 * total))
    low = 0.0 if passed == 0 else max(0.0, centre - half)
    return low, 1.0 if passed == total else min(1.0, centre + half)


def clopper_pearson(passed: int, total: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact two-sided interval of `passed` of `total` (≥ 1): it covers at least `confidence` of the time.

    Source: Clopper & Pearson, "The Use of Confidence or Fiducial Limits", Biometrika 26 (1934), 404-413.
    """
    _check(passed, total)
    tail = (1.0 - confidence) / 2.0
    low = 0.0 if passed == 0 else _rate_with_tail(passed, total, tail)
    high = 1.0 if passed == total else 1.0 - _rate_with_tail(total - passed, total, tail)
    return low, high


def mcnemar_exact(broke: int, fixed: int) -> float:
    """Return the one-sided p value of McNemar's exact test: `broke` or more of the discordant pairs, by fair coin.

    Small when more broke than was fixed; 1.0 where nothing is discordant or nothing broke.
    Source: McNemar, Psychometrika 12 (1947), 153-157, with the exact binomial in place of the normal.
    """
    if min(broke, fixed) < 0:
        raise ValueError("counts are not negative")
    pairs = broke + fixed
    term = total = math.comb(pairs, broke)
    for count in range(broke + 1, pairs + 1):
        term = term * (pairs - count + 1) // count
        total += term
    return total / (1 << pairs) if pairs < 1000 else _quotient(total, pairs)


def fisher_exact(passed: int, total: int, other_passed: int, other_total: int) -> float:
    """Return the one-sided p value that the first rate is lower than the second, with both margins fixed.

    It is P(X ≤ passed) of the hypergeometric distribution.
    Source: Fisher, "The Logic of Inductive Inference", JRSS 98 (1935), 39-82.
    """
    if not 0 <= passed <= total or not 0 <= other_passed <= other_total:
        raise ValueError("passed must lie between 0 and total on both sides")
    successes, everything = passed + other_passed, total + other_total
    lowest = max(0, successes - other_total)
    ways = sum(
        math.comb(total, count) * math.comb(other_total, successes - count) for count in range(lowest, passed + 1)
    )
    return ways / math.comb(everything, successes)


def binomial_tail(at_least: int, trials: int, rate: float) -> float:
    """Return P(X ≥ `at_least`) of a binomial with `trials` and success `rate` in [0, 1]."""
    if at_least <= 0:
        return 1.0
    if at_least > trials or rate <= 0.0:
        return 0.0
    return 1.0 if rate >= 1.0 else regularised_beta(rate, at_least, trials - at_least + 1)


def binomial_probability(count: int, trials: int, rate: float) -> float:
    """Return P(X = `count`) of a binomial."""
    if not 0 <= count <= trials:
        return 0.0
    if rate <= 0.0 or rate >= 1.0:
        return float(count == (0 if rate <= 0.0 else trials))
    log = math.lgamma(trials + 1) - math.lgamma(count + 1) - math.lgamma(trials - count + 1)
    return math.exp(log + count * math.log(rate) + (trials - count) * math.log1p(-rate))


def z_value(upper_tail: float) -> float:
    """The point above which a standard normal has `upper_tail` (in (0, 1)) of its mass: .05 → 1.645."""
    return -NormalDist().inv_cdf(upper_tail)


def normal_tail(z: float) -> float:
    """The mass of a standard normal above `z`."""
    return 0.5 * math.erfc(z / math.sqrt(2.0))


def regularised_beta(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b) for x in (0, 1) and a, b > 0, to about 1e-13.

    Source: the continued fraction of Press et al., "Numerical Recipes", 3rd ed. (2007), section 6.4, by Lentz's method.
    """
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - regularised_beta(1.0 - x, b, a)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    return front * _beta_fraction(x, a, b) / a


def _beta_fraction(x: float, a: float, b: float) -> float:
    c, d = 1.0, 1.0 / (_away_from_zero(1.0 - (a + b) * x / (a + 1.0)))
    result = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        for numerator in (even, odd):
            d = 1.0 / _away_from_zero(1.0 + numerator * d)
            c = _away_from_zero(1.0 + numerator / c)
            result *= c * d
        if abs(c * d - 1.0) < 1e-16:
            break
    return result


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def _rate_with_tail(at_least: int, trials: int, tail: float) -> float:
    """The rate at which `at_least` or more of `trials` succeed with probability `tail`, by halving."""
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        if middle in (low, high):
            break
        low, high = (middle, high) if binomial_tail(at_least, trials, middle) < tail else (low, middle)
    return (low + high) / 2.0


def _quotient(numerator: int, power: int) -> float:
    """`numerator` / 2 ** `power` for integers that no float can hold."""
    shift = max(0, numerator.bit_length() - 64)
    return math.ldexp(float(numerator >> shift), shift - power)


def _check(passed: int, total: int) -> None:
    if total < 1 or not 0 <= passed <= total:
        raise ValueError(f"{passed} of {total} is no share")
