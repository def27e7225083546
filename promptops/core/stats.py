"""Exact tests, intervals and quantiles for counts, in the standard library alone.

Everything here is compared with scipy and with enumeration in the tests; scipy itself is not needed at run time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

_SMALLEST_TAIL = 1e-300  # beyond it a double knows no tail


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


def wilson_interval(passed: float, total: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval of `passed` of `total` (≥ 1), two-sided; `passed` need not be whole.

    Source: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22 (1927), 209-212.
    """
    _check(passed, total)
    z = z_value((1.0 - confidence) / 2.0)
    rate, square = passed / total, z * z / total
    centre = (rate + square / 2.0) / (1.0 + square)
    half = z / (1.0 + square) * math.sqrt(rate * (1.0 - rate) / total + square / (4.0 * total))
    low = 0.0 if passed == 0 else max(0.0, centre - half)
    return low, 1.0 if passed == total else min(1.0, centre + half)


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


def fair_coin_tail(heads: int, tosses: int) -> float:
    """Return P(X ≥ `heads`) of `tosses` fair coins: the exact one-sided p value of the sign test."""
    return mcnemar_exact(heads, tosses - heads) if tosses else 1.0


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
    return -NormalDist().inv_cdf(max(upper_tail, _SMALLEST_TAIL))


def normal_tail(z: float) -> float:
    """The mass of a standard normal above `z`."""
    return 0.5 * math.erfc(z / math.sqrt(2.0))


def _quotient(numerator: int, power: int) -> float:
    """`numerator` / 2 ** `power` for integers that no float can hold."""
    shift = max(0, numerator.bit_length() - 64)
    return math.ldexp(float(numerator >> shift), shift - power)


def _check(passed: float, total: int) -> None:
    if total < 1 or not 0 <= passed <= total:
        raise ValueError(f"{passed} of {total} is no share")
