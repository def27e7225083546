"""Equality of texts: the kernel by hand, the level, and that it sees another model."""

from __future__ import annotations

import itertools
import random

import pytest
from scipy import stats as scipy_stats

from promptops.core.statistics.text_equality import PromptTexts, equality_test, hamming_kernel, in_words


def test_the_kernel_is_the_share_of_equal_positions() -> None:
    kernel = hamming_kernel([["a", "b"], ["a", "c", "d"], [], []])
    assert kernel.tolist() == [
        [1, pytest.approx(1 / 3), 0, 0],
        [pytest.approx(1 / 3), 1, 0, 0],
        [0, 0, 1, 1],
        [0, 0, 1, 1],
    ]


def test_p_is_that_of_all_splits() -> None:
    """Six texts of one prompt: all 20 splits, by hand."""
    texts = [tuple(text) for text in ("aab", "aab", "aac", "bbc", "bbb", "bbb")]
    kernel = hamming_kernel(texts)

    def discrepancy(before: tuple[int, ...]) -> float:
        weights = [1 / 3 if n in before else -1 / 3 for n in range(6)]
        return sum(float(kernel[a, b]) * weights[a] * weights[b] for a in range(6) for b in range(6))

    seen = discrepancy((0, 1, 2))
    exact = sum(discrepancy(split) >= seen - 1e-9 for split in itertools.combinations(range(6), 3)) / 20
    p = equality_test([PromptTexts(texts[:3], texts[3:])], seed=1)
    assert p == pytest.approx(exact, abs=0.01)


def _texts(rng: random.Random, words: str, count: int) -> list[tuple[str, ...]]:
    return [tuple(rng.choice(words) for _ in range(12)) for _ in range(count)]


def test_the_same_model_is_called_another_no_more_often_than_allowed() -> None:
    rng, alarms = random.Random(1), 0
    for seed in range(300):
        prompts = [PromptTexts(_texts(rng, "ab", 5), _texts(rng, "ab", 5)) for _ in range(3)]
        alarms += (equality_test(prompts, seed=seed, draws=99) or 0) <= 0.05
    assert alarms <= scipy_stats.binom.ppf(0.999, 300, 0.05)


def test_prompts_that_differ_from_each_other_are_no_change() -> None:
    """Each prompt has its own answer; a test that pooled them would find the labels anything but random."""
    same = [PromptTexts([(letter,)] * 10, [(letter,)] * 4) for letter in "abcdef"]
    assert equality_test(same, seed=1, draws=199) == 1.0


def test_another_model_is_seen() -> None:
    rng = random.Random(2)
    prompts = [PromptTexts(_texts(rng, "aab", 10), _texts(rng, "abb", 10)) for _ in range(8)]
    assert (equality_test(prompts, seed=1, draws=999) or 1) <= 0.01


def test_nothing_to_compare_is_no_p_value() -> None:
    assert equality_test([], seed=1) is None
    assert equality_test([PromptTexts([("a",)], [])], seed=1) is None
    assert equality_test([PromptTexts([("a",)], [("b",)])], seed=1) is None


def test_white_space_does_not_matter() -> None:
    assert in_words(" a  b\n c ") == in_words("a b c") == ("a", "b", "c")
    assert in_words("a b c d", most=2) == ("a", "b")
