"""A test of a mean of bounded differences, once, at full N: PASS for graded scores."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

ORDERS = 200
_MOST = 0.9  # of the capital: who stakes all of it is ruined by one loss


def bounded_mean_test(
    differences: Sequence[float],
    margin: float,
    *,
    alpha: float,
    seed: int,
    weights: Sequence[float] | None = None,
    orders: int = ORDERS,
) -> float:
    """Return a p value for H0 "the mean difference is at most `-margin`", to be compared with `alpha`.

    A gambler bets against H0 with the stake that would be best for `alpha`, this number of units and the variance
    seen so far; his gain is averaged over `orders` random orders of the units, and p is one over it. `weights` (0 to
    1) are the sizes of clusters over that of the largest.
    Assumes: units are independent and alike (drawn from what the suite stands for), differences in [-1, 1].
    Guarantee: P(p ≤ a | H0) ≤ a for every a, at every number of units: in each order the stake depends only on units
    before, so the expected gain is at most 1, and so is that of the average. No normal approximation and no variance
    that a rare large loss could hide from.
    Source: Waudby-Smith & Ramdas (2024), equation 15 (predictable plug-in for a fixed number); averaging e-values over
    orders: Vovk & Wang, "E-values: calibration, combination and applications", Ann. Statist. 49 (2021), 1736-1754.
    """
    values = np.asarray(differences, dtype=np.float64)
    sizes = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    if not len(values):
        return 1.0
    if not (0 < margin < 1 and np.abs(values).max() <= 1 and sizes.min() > 0 and sizes.max() <= 1):
        raise ValueError("differences lie in [-1, 1], weights in (0, 1], the margin in (0, 1)")
    gains = (values + margin) * sizes
    logs = [_log_gain(gains[order], margin, alpha) for order in _orders(len(gains), seed, orders)]
    top = max(logs)
    average = top + math.log(sum(math.exp(log - top) for log in logs) / len(logs))
    return math.exp(-max(0.0, average))


def _log_gain(gains: np.ndarray[tuple[int], np.dtype[np.float64]], margin: float, alpha: float) -> float:
    """The log of the gambler's capital after all units, in the order given."""
    count = np.arange(1, len(gains) + 1)
    mean = np.cumsum(gains) / count
    variance = (0.125 + np.cumsum((gains - mean) ** 2)) / (count + 1)
    before = np.concatenate(([0.125], variance[:-1]))
    stake = np.minimum(np.sqrt(2 * math.log(1 / alpha) / (len(gains) * before)), _MOST / (1 - margin))
    return float(np.log1p(stake * gains).sum())


def _orders(units: int, seed: int, orders: int) -> list[np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Random orders by sorting raw words of the generator: the same in every version of numpy."""
    source = np.random.PCG64(seed)
    return [np.argsort(np.atleast_1d(source.random_raw(units)), kind="stable") for _ in range(orders)]
