"""Tier 2: do whole texts still come from the distribution that they came from? The prompts, and the test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

PROMPTS: Final = tuple(
    f"Write {what}."
    for what in (
        "a short story about a lighthouse",
        "a recipe for soup",
        "a letter to a landlord",
        "four lines about the sea",
        "a riddle about time",
        "directions to the station",
        "a product text for a kettle",
        "an excuse for being late",
        "a toast for a wedding",
        "a bed-time story about a fox",
        "a report on yesterday's weather",
        "a dialogue between two birds",
        "a job advert for a gardener",
        "a note to a neighbour about noise",
        "an opening line of a novel",
        "a speech of a mayor",
        "three facts about iron",
        "a review of a bad restaurant",
        "a description of a market",
        "an apology to a customer",
        "a dream about flying",
        "instructions for folding a shirt",
        "a postcard from the mountains",
        "a slogan for a bakery",
        "a summary of a football match",
    )
)
"""Prompts whose answers vary: at temperature 1 each is a draw from what the model would say."""


def texts_p_value(
    baseline: Mapping[str, Sequence[str]], now: Mapping[str, Sequence[str]], *, seed: int, words: int
) -> float | None:
    """Return how likely texts that differ so much are if nothing changed; None where there is nothing to compare.

    The test is `core.statistics.text_equality.equality_test` over the first `words` words, prompt by prompt: which
    words they are, and how many.
    """
    from promptops.core.statistics.text_equality import PromptTexts, equality_test, in_words

    pairs = [
        PromptTexts(
            [in_words(text, most=words) for text in before], [in_words(text, most=words) for text in now[prompt]]
        )
        for prompt, before in sorted(baseline.items())
        if now.get(prompt)
    ]
    return equality_test(pairs, seed=seed)
