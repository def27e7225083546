"""The tests of a canary for many simulated canaries at once: arrays where `sign_test` and `betting` have numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from promptops.core.statistics.betting import BETS

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class ManySignTests:
    """`SequentialSignTest` for many canaries at once: its H0, assumptions, guarantee and source."""

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


class ManyBettingTests:
    """`BettingTest` for many canaries at once: its H0, assumptions, guarantee and source; passing is not taken back."""

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
