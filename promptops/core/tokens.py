"""How many tokens a text has, where nobody can count: an estimate that is the same everywhere and for ever.

Templates use it (`|first_tokens(500)`), so what it counts is part of what is sent: the rule below never changes.

A text is cut as tokenizers cut it before they merge: words, numbers, marks, line breaks. ASCII letters make one token
for each eight of a word, Greek, Cyrillic and accented ones for each two, those from Hebrew to Georgian and ideographs
one each, digits one for three, marks one for two, emoji two. On English, French, German, Russian, Japanese, code and
JSON that is within a seventh of what OpenAI's `cl100k_base` counts, on Chinese and Arabic within a quarter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Protocol

from msgspec import Struct

from promptops.models import Message, Pin, Request

_PIECES: Final = re.compile(
    r"(?P<latin>[A-Za-z]+)"
    r"|(?P<digits>[0-9]+)"
    r"|(?P<breaks>[ \t]*[\r\n]+)"
    r"|(?P<spaces>[ \t]+)"
    r"|(?P<wide>[\u1100-\u11ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff])"
    r"|(?P<dense>[\u0590-\u10ff]+)"
    r"|(?P<letters>[^\W\d_A-Za-z\u0590-\u11ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]+)"
    r"|(?P<marks>[!-/:-@\[-`{-~]+)"
    r"|(?P<rest>.)",
    re.DOTALL,
)
_PER_TOKEN: Final = {
    "latin": 8,
    "digits": 3,
    "letters": 2,
    "dense": 1,
    "marks": 2,
    "wide": 1,
    "breaks": 16,
    "spaces": 16,
}
MESSAGE: Final = 4  # tokens that a chat template writes around one message
REPLY: Final = 3  # and around the answer that is to come


class Count(Struct, frozen=True):
    """`tokens`, whether they were counted (`exact`) or estimated, and `by` what: `o200k_base`, `estimate`."""

    tokens: int
    exact: bool
    by: str


class TextCounter(Protocol):
    """Counts the tokens of texts for one model."""

    @property
    def by(self) -> str:
        """What counts."""
        ...

    @property
    def exact(self) -> bool:
        """Whether this is the model's own vocabulary."""
        ...

    def count(self, text: str) -> int:
        """The tokens of one text; special tokens in it are counted as the text that they are."""
        ...


class Estimate:
    """Counts by the rule of this module."""

    by = "estimate"
    exact = False

    def count(self, text: str) -> int:
        return estimate(text)


def estimate(text: str) -> int:
    """Return about how many tokens a text has (0 of an empty one)."""
    return sum(size for _, size in _sizes(text))


def first_tokens(text: str, most: int) -> str:
    """Return the longest beginning of `text` that has at most `most` estimated tokens, cut between words."""
    used = 0
    for start, size in _sizes(text):
        used += size
        if used > most:
            return text[:start]
    return text


def last_tokens(text: str, most: int) -> str:
    """Return the longest end of `text` that has at most `most` estimated tokens, cut between words."""
    pieces = list(_sizes(text))
    used = 0
    for index in range(len(pieces) - 1, -1, -1):
        used += pieces[index][1]
        if used > most:
            return text[pieces[index + 1][0] :] if index + 1 < len(pieces) else ""
    return text


def count_request(request: Request, counter: TextCounter) -> Count:
    """Return the input tokens of a request: its messages and tools, and what a chat template writes around them.

    How tools are written into the prompt is the vendor's secret: with tools no count is exact.
    """
    texts = sum(_message(message, counter) for message in request.messages)
    tools = sum(counter.count(repr(dict(tool))) for tool in request.tools)
    plain = not request.tools and not any(getattr(message, "parts", ()) for message in request.messages)
    return Count(texts + tools + REPLY, counter.exact and plain, counter.by)


def vocabulary_of(pin: Pin) -> str:
    """Return the name of the vocabulary that OpenAI's tiktoken has for a model, "" where it has none.

    Source: https://github.com/openai/tiktoken (MIT), `model.py`.
    """
    name = pin.model.rpartition("/")[2].lower()
    return next((vocabulary for start, vocabulary in _VOCABULARIES if name.startswith(start)), "")


_VOCABULARIES: Final = (
    ("gpt-oss-", "o200k_harmony"),
    ("gpt-4o", "o200k_base"),
    ("gpt-4.1", "o200k_base"),
    ("gpt-4.5", "o200k_base"),
    ("gpt-5", "o200k_base"),
    ("chatgpt-4o", "o200k_base"),
    ("o1", "o200k_base"),
    ("o3", "o200k_base"),
    ("o4-mini", "o200k_base"),
    ("gpt-4", "cl100k_base"),
    ("gpt-3.5", "cl100k_base"),
)


def _message(message: Message, counter: TextCounter) -> int:
    return counter.count(message.content) + MESSAGE


def _sizes(text: str) -> Iterator[tuple[int, int]]:
    """Where each piece begins and how many tokens it has. A space before a word is part of the word."""
    for match in _PIECES.finditer(text):
        kind, length = match.lastgroup or "rest", match.end() - match.start()
        if kind == "spaces" and length == 1:
            yield match.start(), 0
        elif kind == "rest":
            yield match.start(), 2 if match[0] > "\uffff" else 1
        else:
            yield match.start(), -(-length // _PER_TOKEN[kind])
