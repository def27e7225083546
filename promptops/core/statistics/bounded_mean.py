"""A test of a mean of bounded differences, once, at full N: PASS for graded scores."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
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
    logs = _log_gains(gains[_orders(len(gains), seed, orders)], margin, alpha)
    top = float(logs.max())
    average = top + math.log(float(np.exp(logs - top).mean()))
    return math.exp(-max(0.0, average))


def _log_gains(gains: Floats, margin: float, alpha: float) -> Floats:
    """The log of the gambler's capital after all units, for each row of gains."""
    count = np.arange(1, gains.shape[1] + 1)
    mean = np.cumsum(gains, axis=1) / count
    variance = (0.125 + np.cumsum((gains - mean) ** 2, axis=1)) / (count + 1)
    before = np.concatenate((np.full((len(gains), 1), 0.125), variance[:, :-1]), axis=1)
    stake = np.minimum(np.sqrt(2 * math.log(1 / alpha) / (gains.shape[1] * before)), _MOST / (1 - margin))
    found: Floats = np.log1p(stake * gains).sum(axis=1)
    return found


def _orders(units: int, seed: int, orders: int) -> npt.NDArray[np.int64]:
    """Random orders by sorting raw words of the generator: the same in every version of numpy."""
    words = np.asarray(np.random.PCG64(seed).random_raw(units * orders)).reshape(orders, units)
    return np.argsort(words, axis=1, kind="stable")
