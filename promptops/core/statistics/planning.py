"""What a suite can decide, before money is spent: the canary's own tests, simulated."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promptops.core.statistics.betting import BETS
from promptops.core.statistics.metric import ANYTIME_SHARE
from promptops.core.statistics.tango import non_inferiority, pairs_for_no_flip

ROUNDS = 400
MOST_SIMULATED = 2_000
"""Cases up to which a simulation takes a second; for more, `fixed_power` has the power at full N, which is near."""
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Outlook:
    """How often a canary would say what, and how many cases it would take in the mean."""

    regress: float
    passed: float
    inconclusive: float
    mean_cases: float


def simulate(
    cases: int,
    *,
    drop: float,
    noise: float,
    margin: float = 0.05,
    alpha: float = 0.05,
    seed: int = 0,
    rounds: int = ROUNDS,
) -> Outlook:
    """Simulate `rounds` canaries over `cases` pass-or-fail cases of a candidate that is worse by `drop`.

    `noise` is the share of cases that flip for no reason, half each way; the drop comes on top of it.
    Assumes: cases are independent and alike, one metric, nothing missing. The result is a share of `rounds`: its
    standard error is at most `.5 / √rounds`.
    """
    chances = (min(1.0, drop + noise / 2), max(0.0, min(noise / 2, 1 - drop - noise / 2)))
    flips = _flips(cases, chances, seed, rounds)
    worse, betting = _Worse(cases, alpha, rounds), _Betting(margin, ANYTIME_SHARE * alpha, rounds)
    ended, verdicts = np.full(rounds, cases), np.zeros(rounds, dtype=np.int64)
    for case in range(cases):
        regressed, passed = worse.add(flips[case]), betting.add(flips[case])
        going = verdicts == 0
        verdicts[going & regressed] = 1
        verdicts[going & passed & ~regressed] = 2
        ended[going & (verdicts != 0)] = case + 1
        if not (verdicts == 0).any():
            break
    for row in np.flatnonzero(verdicts == 0):
        broke, fixed = int((flips[:, row] < 0).sum()), int((flips[:, row] > 0).sum())
        if non_inferiority(broke, fixed, cases, margin) <= (1 - ANYTIME_SHARE) * alpha:
            verdicts[row] = 2
    worse_share, pass_share, rest = (float((verdicts == which).mean()) for which in (1, 2, 0))
    return Outlook(worse_share, pass_share, rest, mean_cases=float(ended.mean()))


def detectable_drop(
    cases: int, *, noise: float, margin: float = 0.05, alpha: float = 0.05, power: float = 0.8, seed: int = 0
) -> float | None:
    """Return the smallest drop (to half a point) that is a REGRESS with `power`; None where no drop is.

    The same random numbers are used for every drop, so that a larger one is found at least as often.
    """

    def found(drop: float) -> bool:
        return simulate(cases, drop=drop, noise=noise, margin=margin, alpha=alpha, seed=seed).regress >= power

    if not found(1.0):
        return None
    low, high = 0.0, 1.0
    while high - low > 0.005:
        middle = (low + high) / 2
        low, high = (low, middle) if found(middle) else (middle, high)
    return high


def cases_to_pass(
    *, noise: float, margin: float = 0.05, alpha: float = 0.05, power: float = 0.8, seed: int = 0
) -> int | None:
    """Return about how many cases an equal candidate needs to PASS with `power`; None: more than `MOST_SIMULATED`.

    About: to 3 %, as simulated. It is near 7.5 to 9.5 · noise / margin², and never below what it takes without a flip.
    """

    def enough(cases: int) -> bool:
        found = simulate(cases, drop=0.0, noise=noise, margin=margin, alpha=alpha, seed=seed)
        return found.passed >= power

    low, high = 1, max(pairs_for_no_flip(margin, alpha), math.ceil(6 * noise / margin**2))
    while high <= MOST_SIMULATED and not enough(high):
        low, high = high, math.ceil(high * 1.3)
    if high > MOST_SIMULATED:
        return None
    while high - low > max(1, 0.03 * high):
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _flips(cases: int, chances: tuple[float, float], seed: int, rounds: int) -> Ints:
    """-1, 0 or 1 of every case (rows) in every round (columns)."""
    uniform = np.random.Generator(np.random.PCG64(seed)).random((cases, rounds))
    worse, better = chances
    return np.where(uniform < worse, -1, np.where(uniform >= 1 - better, 1, 0))


class _Worse:
    """`SequentialSignTest` for many canaries at once."""

    def __init__(self, cases: int, alpha: float, rounds: int) -> None:
        self._cases, self._alpha = cases, alpha
        self._alive = np.zeros((rounds, 8))
        self._alive[:, 0] = 1.0
        self._bound = np.ones(rounds, dtype=np.int64)
        self._spent, self._broke = np.zeros(rounds), np.zeros(rounds, dtype=np.int64)
        self._flips, self._seen = np.zeros(rounds, dtype=np.int64), 0

    def add(self, differences: Ints) -> Bools:
        self._seen += 1
        rows = np.flatnonzero(differences)
        self._broke += differences < 0
        self._flips[rows] += 1
        if self._bound.max() + 1 >= self._alive.shape[1]:
            self._alive = np.pad(self._alive, ((0, 0), (0, self._alive.shape[1])))
        half = self._alive[rows] / 2
        half[:, 1:] += half[:, :-1].copy()
        self._alive[rows] = half
        self._bound[rows] += 1
        self._lower()
        stopped: Bools = self._broke >= self._bound
        return stopped

    def _lower(self) -> None:
        allowed = self._alpha * (self._seen / self._cases) ** 2
        rows = np.arange(len(self._bound))
        while len(rows):
            top = self._bound[rows] - 1
            mass = self._alive[rows, top]
            rows = rows[(2 * top > self._flips[rows]) & (mass <= allowed - self._spent[rows])]
            last = self._bound[rows] - 1
            self._spent[rows] += self._alive[rows, last]
            self._alive[rows, last] = 0.0
            self._bound[rows] = last


class _Betting:
    """`BettingTest` for many canaries at once; passing is not taken back."""

    def __init__(self, margin: float, alpha: float, rounds: int) -> None:
        weights = np.array([weight for _, weight in BETS])
        bets = np.array([bet for bet, _ in BETS])
        gains = (np.array([-1.0, 0.0, 1.0]) + margin) / (1 - margin)
        self._gains = np.log1p(np.outer(gains, bets))
        self._logs: Floats = np.tile(np.log(weights / weights.sum()), (rounds, 1))
        self._target, self._passed = 1 / alpha, np.zeros(rounds, dtype=np.bool_)

    def add(self, differences: Ints) -> Bools:
        self._logs += self._gains[differences + 1]
        self._passed |= np.exp(np.minimum(self._logs, 300.0)).sum(axis=1) >= self._target
        return self._passed
