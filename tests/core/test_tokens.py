"""An estimate of tokens that never changes, and what counts exactly for whom."""

from __future__ import annotations

import pytest

from promptops.core.context import fits_into
from promptops.core.tokens import Count, Estimate, count_request, estimate, first_tokens, last_tokens, vocabulary_of
from promptops.models import Message, Pin, Request

PIN = Pin("acme", "m-1")


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        (" ", 0),
        ("word", 1),
        ("two words", 2),
        ("a" * 8, 1),
        ("a" * 9, 2),
        ("1234", 2),
        ("3.14", 3),
        ("été", 3),
        ("Привет", 3),
        ("日本語", 3),
        ("שלום", 4),
        ('{"a": 1}', 5),
        ("line\nline", 3),
        ("😀", 2),
        ("…", 1),
        ("snake_case", 3),
        ("    indented", 2),
    ],
)
def test_the_rule_is_part_of_what_is_sent_and_never_changes(text: str, tokens: int) -> None:
    assert estimate(text) == tokens


def test_both_ends_of_a_text() -> None:
    assert first_tokens("one two three", 2).rstrip() == "one two"
    assert last_tokens("one two three", 2).lstrip() == "two three"
    assert first_tokens("one", 9) == last_tokens("one", 9) == "one"
    assert first_tokens("one", 0) == last_tokens("one", 0) == ""


def test_a_request_is_its_messages_and_what_is_written_around_them() -> None:
    request = Request(PIN, (Message("system", "be kind"), Message("user", "hello")))
    assert count_request(request, Estimate()) == Count(2 + 4 + 1 + 4 + 3, exact=False, by="estimate")
    tools = Request(PIN, request.messages, tools=({"type": "function"},))
    assert count_request(tools, Estimate()).tokens > 14


class Exact:
    """A vocabulary with one token for each letter."""

    by, exact = "letters", True

    def count(self, text: str) -> int:
        return len(text)


def test_with_tools_no_count_is_exact() -> None:
    messages = (Message("user", "abc"),)
    assert count_request(Request(PIN, messages), Exact()) == Count(3 + 4 + 3, exact=True, by="letters")
    assert not count_request(Request(PIN, messages, tools=({"type": "function"},)), Exact()).exact


@pytest.mark.parametrize(
    ("pin", "name"),
    [
        ("openai/gpt-4.1-mini-2025-04-14", "o200k_base"),
        ("openai/gpt-4o-2024-08-06", "o200k_base"),
        ("openai/gpt-4-0613", "cl100k_base"),
        ("openai/gpt-3.5-turbo-0125", "cl100k_base"),
        ("openrouter/openai/o3-2025-04-16", "o200k_base"),
        ("groq/openai/gpt-oss-20b", "o200k_harmony"),
        ("anthropic/claude-sonnet-4-5-20250929", ""),
        ("local/x", ""),
    ],
)
def test_a_vocabulary_is_named_by_the_model(pin: str, name: str) -> None:
    assert vocabulary_of(Pin.parse(pin)) == name


@pytest.mark.parametrize(
    ("words", "params", "counter", "says"),
    [
        (10, {}, Exact(), ""),
        (84, {}, Exact(), ""),
        (94, {}, Exact(), "101 tokens in the prompt (letters) are more than the 100 that acme/m-1 takes"),
        (60, {"max_tokens": 33}, Exact(), ""),
        (60, {"max_tokens": 34}, Exact(), "67 tokens in the prompt (letters) and max_tokens 34 are more than the 100"),
        (1, {"max_tokens": 200}, Estimate(), "about 8 tokens in the prompt (estimate) and max_tokens 200 are"),
        (110, {}, Estimate(), ""),  # an estimate of 21 refuses nothing
    ],
)
def test_what_is_longer_than_the_model_takes_is_refused(
    words: int, params: dict[str, int], counter: Exact | Estimate, says: str
) -> None:
    request = Request(PIN, (Message("user", "x" * words),), params)
    failure = fits_into(100, counter)(request)
    assert (says in failure.message and failure.kind == "request") if failure and says else failure is None and not says


def test_an_estimate_refuses_only_what_is_beyond_it_by_a_fifth() -> None:
    fits = fits_into(1_000, Estimate())
    assert fits(Request(PIN, (Message("user", "word " * 1_200),))) is None
    assert fits(Request(PIN, (Message("user", "word " * 1_300),))) is not None
