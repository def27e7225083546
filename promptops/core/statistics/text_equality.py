"""Do two samples of texts come from one distribution? MMD with a Hamming kernel and lengths, prompt by prompt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from msgspec import Struct

DRAWS = 9_999


class PromptTexts(Struct, frozen=True):
    """The texts of one prompt, then and now, each cut into units (tokens, words or characters)."""

    before: Sequence[Sequence[str]]
    now: Sequence[Sequence[str]]


def in_words(text: str, *, most: int = 50) -> tuple[str, ...]:
    """The first `most` words; what white space stands between them does not matter.

    No H0. Assumes: a text of words with white space between them. Guarantee: equal for texts that differ in white space
    alone. Source: the 50 tokens of `equality_test`'s, here words, which need no tokeniser.
    """
    return tuple(text.split(maxsplit=most)[:most])


def equality_test(prompts: Sequence[PromptTexts], *, seed: int, draws: int = DRAWS) -> float | None:
    """Return the p value of H0 "for each prompt, both samples come from one distribution"; None: nothing to compare.

    Two statistics, and the smaller of their p values, whose own p value is returned. What is said: the sum over prompts
    of the squared maximum mean discrepancy with the Hamming kernel (the share of positions, up to the length of the
    longer text, that hold the same unit). How much is said: by how many standard deviations of their prompt the texts
    of before are longer than its mean, summed over texts and prompts; too long or too short. The first hardly sees
    texts that only end earlier. It costs what a second look costs, at most a factor of two in p, and nothing where all
    texts of a prompt are equally long. Labels are permuted within each prompt, the same ones for both.
    Assumes: the texts of a prompt are independent draws. Prompts may differ in everything.
    Guarantee: P(p ≤ a | H0) ≤ a, exactly: `p = (1 + #) / (1 + draws)`, over the smaller p values of all permutations,
    each ranked among all of them and the data.
    Source: Gao, Liang & Guestrin, "Model Equality Testing: Which Model Is This API Serving?", ICLR 2025 (arXiv
    2410.20247), §3; Gretton et al., "A Kernel Two-Sample Test", JMLR 13 (2012), 723-773; the smaller of two p values by
    permutation: Westfall & Young, "Resampling-Based Multiple Testing" (1993), §2.
    """
    usable = [prompt for prompt in prompts if prompt.before and prompt.now]
    if not any(len(prompt.before) + len(prompt.now) > 2 for prompt in usable):
        return None
    source = np.random.PCG64(seed)
    words, longer = np.zeros(draws + 1), np.zeros(draws + 1)  # the first is the data
    for prompt in usable:
        texts, labels = [*prompt.before, *prompt.now], _labels(len(prompt.before), len(prompt.now))
        rows = np.vstack((labels, labels[_shuffles(source, len(labels), draws)]))
        words += _discrepancies(hamming_kernel(texts), rows)
        longer += (rows > 0) @ _standardised([len(text) for text in texts])
    least = np.minimum(_shares_above(words), _shares_above(np.abs(longer)))
    return float((least <= least[0]).sum()) / (1 + draws)


def hamming_kernel(texts: Sequence[Sequence[str]]) -> npt.NDArray[np.float64]:
    """The share of equal positions for every two texts, 1 where both are empty.

    No H0. Assumes: nothing. Guarantee: symmetric, in [0, 1], 1 on the diagonal. Source: as `equality_test`.
    """
    length = max(1, max(map(len, texts)))
    names: dict[str, int] = {}
    codes = np.full((len(texts), length), -1)
    for row, text in enumerate(texts):
        codes[row, : len(text)] = [names.setdefault(unit, len(names)) for unit in text]
    kernel = np.empty((len(texts), len(texts)))
    lengths = np.array([len(text) for text in texts])
    for row in range(len(texts)):
        longer = np.maximum(np.maximum(lengths[row], lengths), 1)
        equal = ((codes[row] == codes) & (codes >= 0)).sum(axis=1)
        kernel[row] = np.where(np.maximum(lengths[row], lengths) == 0, 1.0, equal / longer)
    return kernel


def _labels(before: int, now: int) -> npt.NDArray[np.float64]:
    return np.array([1 / before] * before + [-1 / now] * now)


def _discrepancies(kernel: npt.NDArray[np.float64], labels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The squared discrepancy for each row of labels."""
    found: npt.NDArray[np.float64] = np.einsum("ij,ij->i", labels @ kernel, labels)
    return found


def _standardised(lengths: Sequence[int]) -> npt.NDArray[np.float64]:
    """How many standard deviations each length is above their mean; 0 where all are the same."""
    found = np.array(lengths, dtype=np.float64)
    spread = float(found.std())
    return (found - found.mean()) / spread if spread else np.zeros(len(found))


def _shares_above(statistics: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """For each, the share of all that are as large or larger: its p value by permutation. Rounding is no difference."""
    below = np.searchsorted(np.sort(statistics), statistics - 1e-9, side="left")
    found: npt.NDArray[np.float64] = 1.0 - below / len(statistics)
    return found


def _shuffles(source: np.random.PCG64, size: int, draws: int) -> npt.NDArray[np.int64]:
    return np.argsort(source.random_raw(draws * size).reshape(draws, size), axis=1)
