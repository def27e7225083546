"""What the bench asks: prompts of one word for one token, and openings of texts to be gone on with."""

from __future__ import annotations

PROBES = ("Say a word", "x", "The", "1, 2,", "Why?")
"""What `promptops drift` asks for the log probabilities of the first token."""
LT_PROBE = "x"
"""What Log Probability Tracking asks."""
_FIRST = ("a", "I", "so", "no", "my", "red", "ten", "it", "up", "two", "on", "be", "or", "we", "go", "if")
_SECOND = ("sea", "?", "old", ":", "yes", "we", "9", "and", "cat", "or", "not", "then", "x")
_PAIRS = tuple(
    f"{word} {_SECOND[(place + shift) % len(_SECOND)]}" for shift in range(13) for place, word in enumerate(_FIRST)
)
LOOKED_AT, OTHERS = _PAIRS[:100], _PAIRS[100:200]
"""Inputs among which it looks for near ties, where there are no log probabilities; and others of that kind."""

OPENINGS = (
    "The river rose in the night, and by morning the lower street was",
    "A lighthouse keeper writes down everything he sees, and today he wrote",
    "To bake bread without yeast you first need to",
    "The museum opened a new hall this spring, in which visitors can",
    "Our train stood for an hour outside the station because",
    "The oldest map of the island shows a harbour where now",
    "Nobody in the village could remember a winter in which",
    "The committee met on Tuesday and decided, against all advice, to",
    "When the orchestra tunes its instruments, the oboe",
    "The price of copper fell last week, since",
    "She had repaired clocks all her life, but this one",
    "Bees find their way back to the hive by",
    "The bridge was closed to lorries after engineers had found",
    "In the first chapter of the novel a young doctor arrives at",
    "A good chess player looks at the whole board before",
    "The city council wants to plant ten thousand trees, so that",
    "Glass is made of sand, which is heated until",
    "He opened the letter, read it twice, and",
    "The mountain hut is reached on foot in three hours, and from there",
    "Astronomers were surprised when the faint star suddenly",
    "The recipe says to let the dough rest overnight, because",
    "Two brothers inherited a vineyard and quarrelled about",
    "The new timetable has fewer trains on Sundays, which means that",
    "A translator once said that the hardest words are",
    "The storm had torn the roof off the barn, and inside",
)


def chat(text: str, system: str | None = None) -> str:
    """The chat template of the model, with or without a system prompt."""
    head = f"<|im_start|>system\n{system}<|im_end|>\n" if system else ""
    return f"{head}<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"


def opening(text: str) -> str:
    return f"Go on with this text: {text}"
