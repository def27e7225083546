"""An interval for a pass rate of which several samples are of one case."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, variance

from promptops.core.stats import wilson_interval


def clustered_interval(shares: Sequence[float], samples: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Return the two-sided interval of the mean of `shares`: of each case, the share of its `samples` that passed.

    It is Wilson's score interval with the effective number of samples, `p (1 - p)` over the variance of the mean as the
    cases show it: between the number of cases (all samples of a case agree) and that of samples (they differ as if
    each were of a case of its own). With one sample a case it is Wilson's interval.
    H0 of a point: it is the mean.
    Assumes: cases are independent and alike, each with as many samples; nothing about the samples of one case.
    Guarantee: approximate, like Wilson's; `tests/proof/test_clustered_rate.py` counts how often it covers.
    Source: Korn & Graubard, "Confidence intervals for proportions with small expected number of positive counts
    estimated from survey data", Survey Methodology 24 (1998), 193-201, for the effective number; with Wilson's interval
    as in Dean & Pagano, J. Surv. Stat. Methodol. 3 (2015), 484-503. Raises `ValueError` without a case.
    """
    if not shares:
        raise ValueError("an interval needs at least one case")
    rate = fmean(shares)
    effective = _effective(shares, rate, samples)
    return wilson_interval(min(rate * effective, effective), effective, confidence=confidence)


def _effective(shares: Sequence[float], rate: float, samples: int) -> int:
    cases = len(shares)
    if samples == 1 or cases < 2 or not 0 < rate < 1:
        return cases
    spread = variance(shares) / cases
    most = cases * samples
    return most if spread <= 0 else max(cases, min(most, int(rate * (1 - rate) / spread)))
