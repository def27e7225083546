"""Equality of texts: both statistics by hand, the level, and that it sees another model, or one that ends early."""

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
    assert p == pytest.approx(exact, abs=0.01)  # all are equally long: the second look costs nothing


def test_the_smaller_of_two_p_values_has_a_p_value_of_its_own() -> None:
    """Seven texts of unequal lengths, three before: all 35 splits, by hand."""
    texts = [tuple(text) for text in ("aabca", "abb", "aabcaaa", "aab", "ab", "b", "aabcab")]
    kernel, lengths = hamming_kernel(texts), [len(text) for text in texts]
    mean = sum(lengths) / 7
    splits = list(itertools.combinations(range(7), 3))

    def discrepancy(before: tuple[int, ...]) -> float:
        weights = [1 / 3 if n in before else -1 / 4 for n in range(7)]
        return sum(float(kernel[a, b]) * weights[a] * weights[b] for a in range(7) for b in range(7))

    words = [discrepancy(split) for split in splits]
    longer = [abs(sum(lengths[n] - mean for n in split)) for split in splits]
    least = [
        min(sum(other >= one - 1e-9 for other in found) for found, one in ((words, w), (longer, n)))
        for w, n in zip(words, longer, strict=True)
    ]
    exact = sum(one <= least[0] for one in least) / 35
    p = equality_test([PromptTexts(texts[:3], texts[3:])], seed=1, draws=49_999)
    assert p == pytest.approx(exact, abs=0.01)
    assert 0.05 < exact < 0.6


def _cut(rng: random.Random, early: float) -> tuple[str, ...]:
    """Twelve random words, or one to eleven of them in a share `early` of texts."""
    return tuple(rng.choice("abcdefgh") for _ in range(rng.randint(1, 11) if rng.random() < early else 12))


def test_texts_that_end_early_are_seen_whatever_they_say() -> None:
    rng = random.Random(5)
    prompts = [
        PromptTexts([_cut(rng, 0.25) for _ in range(10)], [_cut(rng, 0.5) for _ in range(10)]) for _ in range(25)
    ]
    assert (equality_test(prompts, seed=1, draws=4_999) or 1) <= 0.002


def test_unequal_lengths_and_lost_texts_raise_no_alarm() -> None:
    rng, alarms = random.Random(6), 0
    for seed in range(400):
        sizes = [(rng.randint(1, 6), rng.randint(1, 6)) for _ in range(4)]
        prompts = [
            PromptTexts([_cut(rng, 0.4) for _ in range(a)], [_cut(rng, 0.4) for _ in range(b)]) for a, b in sizes
        ]
        alarms += (equality_test(prompts, seed=seed, draws=99) or 0) <= 0.05
    assert alarms <= scipy_stats.binom.ppf(0.999, 400, 0.05)


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
