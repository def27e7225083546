"""The two methods to compare with, from their papers, on the same samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from proof.real.samples import Floats

LT_CALLS = 10
"""Calls of one probe in each of the two samples: the size of LT's own benchmark."""
MET_SAMPLES, MET_DRAWS = 10, 1000


def log_probability_tracking(before: Floats, now: Floats) -> float:
    """LT's statistic: the mean over tokens of the absolute difference of their mean log probabilities.

    Rows are calls, columns tokens; a token that is missing from a call counts as the least of that call, and the mean
    is over the tokens that were seen in any call of either sample.
    Source: Chauvin, Le Merrer, Taïani & Tredan, "Log Probability Tracking of LLM APIs", ICLR 2026 (arXiv 2512.03816),
    §3; its p value is by permutation of the calls, its AUC is that of the statistic.
    """
    both = np.vstack((before, now))
    seen = (both > both.min(axis=1, keepdims=True)).any(axis=0)
    gaps = np.abs(before.mean(axis=0) - now.mean(axis=0))
    return float(gaps[seen].mean())


class ModelEquality:
    """MET's test between two pools of texts, many times over: 10 texts of each opening from each.

    The statistic is the squared maximum mean discrepancy with the Hamming kernel (positions with the same token,
    divided by the geometric mean of that of each text with itself), 0 between texts of different openings, each text's
    kernel with itself left out. The p value is by permutation of all texts over the two samples, whatever the opening.
    Source: Gao, Liang & Guestrin, "Model Equality Testing: Which Model Is This API Serving?", ICLR 2025 (arXiv
    2410.20247), §3 and §4; 25 prompts, 10 samples each and 50 tokens as in LT's comparison with it.
    """

    def __init__(self, pools: Sequence[Sequence[Sequence[int]]], length: int) -> None:
        """`pools` has the texts of each opening, of both sides one after the other."""
        self._kernels = [_kernel(pool, length) for pool in pools]

    def statistic(self, before: Sequence[Sequence[int]], now: Sequence[Sequence[int]]) -> float:
        """The statistic of the texts with these places in each opening's pool."""
        blocks, _ = self._blocks(before, now)
        sides = np.concatenate([np.r_[np.zeros(len(b)), np.ones(len(n))] for b, n in zip(before, now, strict=True)])
        return float(_discrepancy(blocks, sides[None, :])[0])

    def p_value(self, before: Sequence[Sequence[int]], now: Sequence[Sequence[int]], rng: np.random.Generator) -> float:
        """The share of permutations with a statistic at least as large."""
        blocks, sides = self._blocks(before, now)
        seen = _discrepancy(blocks, sides[None, :])[0]
        shuffled = rng.permuted(np.tile(sides, (MET_DRAWS, 1)), axis=1)
        return float((_discrepancy(blocks, shuffled) >= seen - 1e-12).mean())

    def _blocks(self, before: Sequence[Sequence[int]], now: Sequence[Sequence[int]]) -> tuple[list[Floats], Floats]:
        blocks = []
        sides: list[float] = []
        for kernel, old, new in zip(self._kernels, before, now, strict=True):
            places = [*old, *new]
            blocks.append(kernel[np.ix_(places, places)])
            sides += [0.0] * len(old) + [1.0] * len(new)
        return blocks, np.array(sides)


def _kernel(pool: Sequence[Sequence[int]], length: int) -> Floats:
    """Normalised Hamming kernel without its diagonal; texts are filled up to `length` with a token of its own."""
    codes = np.full((len(pool), length), -1)
    for row, text in enumerate(pool):
        codes[row, : len(text)] = text[:length]
    kernel = np.array([(codes[row] == codes).sum(axis=1) for row in range(len(codes))], dtype=np.float64) / length
    np.fill_diagonal(kernel, 0.0)
    return kernel


def _discrepancy(blocks: Sequence[Floats], sides: npt.NDArray[np.float64]) -> Floats:
    """The statistic for each row of `sides` (0: before, 1: now)."""
    sums = np.zeros((3, len(sides)))
    pairs = np.zeros((3, len(sides)))
    start = 0
    for block in blocks:
        now = sides[:, start : start + len(block)]
        old = 1 - now
        start += len(block)
        for place, (one, other) in enumerate(((old, old), (old, now), (now, now))):
            sums[place] += np.einsum("ij,ij->i", one @ block, other)
        many, few = old.sum(axis=1), now.sum(axis=1)
        pairs += np.array([many * (many - 1), many * few, few * (few - 1)])
    means = sums / np.maximum(pairs, 1)
    found: Floats = means[0] - 2 * means[1] + means[2]
    return found
