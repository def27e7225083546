"""How much the nightly watch asks: prompts, blocks and calls of each tier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Tier = Literal["1a", "1b"]
SizeName = Literal["tiny", "standard"]


@dataclass(frozen=True, slots=True)
class Size:
    """What one reading of an endpoint asks.

    Tier 1a: each of `prompts` is asked `calls` times in each of `blocks`, for one token with its log probabilities.
    Tier 1b: each of `inputs` is asked `repeats` times at temperature 0, in one block.
    Tier 2: each of `texts` prompts is asked `samples` times for `words` tokens at temperature 1.
    """

    prompts: int
    blocks: int
    calls: int
    inputs: int
    repeats: int
    texts: int
    samples: int
    words: int

    def blocks_of(self, tier: Tier) -> int:
        """How many blocks a reading consists of."""
        return self.blocks if tier == "1a" else 1


SIZES: Final[Mapping[SizeName, Size]] = {
    "tiny": Size(prompts=1, blocks=1, calls=10, inputs=10, repeats=1, texts=5, samples=5, words=20),
    "standard": Size(prompts=5, blocks=3, calls=10, inputs=15, repeats=12, texts=25, samples=10, words=50),
}

PROMPTS: Final = ("Say a word", "x", "The", "1, 2,", "Why?")
"""What tier 1a asks where nothing else is configured: short, because every night pays for them."""

TOP: Final = 20
"""Likeliest tokens that are asked for with their log probabilities."""

FIRST_WORDS: Final = ("a", "I", "so", "no", "my", "red", "ten", "it", "up", "two", "on", "be", "or", "we", "go", "if")
SECOND_WORDS: Final = ("sea", "?", "old", ":", "yes", "we", "9", "and", "cat", "or", "not", "then", "x")


def candidates(count: int) -> tuple[str, ...]:
    """Return the first `count` (≤ 208) short inputs, among which tier 1b looks for those with nearly a tie."""
    pairs = [f"{one} {two}" for shift in range(len(SECOND_WORDS)) for one, two in _pairs(shift)]
    return tuple(pairs[:count])


def _pairs(shift: int) -> list[tuple[str, str]]:
    count = len(SECOND_WORDS)
    return [(word, SECOND_WORDS[(place + shift) % count]) for place, word in enumerate(FIRST_WORDS)]
