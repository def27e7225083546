"""Checks of the text as the model wrote it: `contains`, `icontains`, `starts_with`, `regex`, `finish_reason`.

Each takes one text, or `{any: […]}` or `{all: […]}` of several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec import Struct

from promptops.core.checks.base import CheckContext, CheckError, Finding, found, quoted
from promptops.core.regexes import compile_pattern, search
from promptops.models import Json

Test = Callable[[str, str], bool]


class WordsCheck(Struct, frozen=True):
    """`test(wanted, text)` tells whether one wanted word holds; `yes` and `no` are the verbs of the messages."""

    name: str
    test: Test
    yes: str
    no: str
    noun: str = "the output"
    valid: Callable[[str], None] | None = None
    text: Callable[[CheckContext], str] = lambda context: context.reply.text

    def problems(self, options: Json) -> Iterator[str]:
        yield from words_problems(options, self.valid)

    def run(self, options: Json, context: CheckContext) -> Finding:
        text = self.text(context)
        mode, words = parse_words(options)
        return judge_words(self, mode, words, text)


def words_problems(options: Json, valid: Callable[[str], None] | None = None) -> Iterator[str]:
    """What is wrong with `options` as one text, `{any: […]}` or `{all: […]}`."""
    form = "takes a text, {any: [text, …]} or {all: [text, …]}"
    if isinstance(options, dict):
        if len(options) != 1 or next(iter(options)) not in ("any", "all"):
            yield form
            return
        words = next(iter(options.values()))
        if not isinstance(words, list) or not words:
            yield f"{form}; the list needs at least one text"
            return
    else:
        words = [options]
    for word in words:
        if not isinstance(word, str):
            yield f"{form}; {word!r} is not text: put it in quotes" if word is not None else form
        elif not word:
            yield "an empty text is in every output"
        elif valid:
            try:
                valid(word)
            except ValueError as error:
                yield str(error)


def parse_words(options: Json) -> tuple[str, list[str]]:
    """`("any" or "all", the texts)`."""
    if isinstance(options, dict):
        mode, words = next(iter(options.items()))
        return mode, [str(word) for word in words] if isinstance(words, list) else []
    return "all", [str(options)]


def judge_words(check: WordsCheck, mode: str, words: list[str], text: str) -> Finding:
    """Test every word until the answer is known."""
    try:
        hits = [(word, check.test(word, text)) for word in words]
    except TimeoutError as error:
        raise CheckError(str(error)) from None
    there = [quoted(word) for word, hit in hits if hit]
    gone = [quoted(word) for word, hit in hits if not hit]
    held = bool(there) if mode == "any" else not gone
    return found(held, f"{check.noun} {check.yes} {', '.join(there)}", f"{check.noun} {check.no} {', '.join(gone)}")


def _finish_reason(context: CheckContext) -> str:
    if context.reply.finish_reason is None:
        raise CheckError("the provider did not say why the output ended")
    return context.reply.finish_reason


def _compiles(pattern: str) -> None:
    compile_pattern(pattern)


CONTAINS = WordsCheck("contains", lambda word, text: word in text, "contains", "does not contain")
ICONTAINS = WordsCheck(
    "icontains", lambda word, text: word.casefold() in text.casefold(), "contains", "does not contain"
)
STARTS_WITH = WordsCheck(
    "starts_with", lambda word, text: text.lstrip().startswith(word), "starts with", "does not start with"
)
REGEX = WordsCheck("regex", search, "matches", "does not match", valid=_compiles)
FINISH_REASON = WordsCheck(
    "finish_reason", lambda word, text: word == text, "is", "is not", noun="the finish reason", text=_finish_reason
)
