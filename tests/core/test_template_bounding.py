"""Filters that bound what varies, counted the same everywhere."""

from __future__ import annotations

from typing import Any

import pytest

from promptops.core.template import compile_template
from promptops.core.tokens import estimate
from promptops.errors import TemplateRefused

HISTORY = [
    {"role": "assistant", "content": "hello"},
    {"role": "user", "content": "one"},
    {"role": "assistant", "content": "1"},
    {"role": "user", "content": "two"},
    {"role": "assistant", "content": "2"},
    {"role": "tool", "content": "t"},
    {"role": "user", "content": "three"},
]
SHOWN = "{% for turn in HISTORY %}{{ turn.role[0] }}:{{ turn.content }} {% endfor %}"
WORDS = "alpha beta gamma delta epsilon"


def rendered(template: str, **inputs: Any) -> str:
    (message,) = compile_template(template, {}, path="v1.j2").render(inputs)
    return message.content.strip()


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("h|last_turns(1)", "u:three"),
        ("h|last_turns(2)", "u:two a:2 t:t u:three"),
        ("h|last_turns(3)", "a:hello u:one a:1 u:two a:2 t:t u:three"),
        ("h|last_turns(4)", "a:hello u:one a:1 u:two a:2 t:t u:three"),
        ("h|last_turns(0)", ""),
        ("h|summarised('so far', 1)", "u:so far u:three"),
        ("h|summarised(summary, 1)", "u:three"),
        ("h|summarised(none, 1)", "u:three"),
        ("h|summarised('so far', 9)", "a:hello u:one a:1 u:two a:2 t:t u:three"),
        ("h|last_tokens(1)", "u:three"),
        ("h|last_tokens(3)", "a:2 t:t u:three"),
        ("h|last_tokens(0)", ""),
        ("h|last_tokens(100)", "a:hello u:one a:1 u:two a:2 t:t u:three"),
    ],
)
def test_a_history_is_bounded_by_whole_messages(expression: str, expected: str) -> None:
    assert rendered(SHOWN.replace("HISTORY", expression), h=HISTORY, summary=" ") == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("t|first_tokens(2)", "alpha beta"),
        ("t|first_tokens(5)", WORDS),
        ("t|first_tokens(0)", ""),
        ("t|first_tokens(3, '…')", "alpha beta…"),
        ("t|first_tokens(5, '…')", WORDS),
        ("t|last_tokens(2)", "delta epsilon"),
        ("t|last_tokens(3, '…')", "…delta epsilon"),
        ("t|tokens", "5"),
        ("h|tokens", "7"),
        ("['alpha beta', 'gamma']|tokens", "3"),
        ("['a', 'b', 'c']|last_turns(2)|join", "bc"),
        ("'12345678'|first_tokens(1)", ""),
        ("'日本語です'|first_tokens(3)", "日本語"),
    ],
)
def test_a_text_is_bounded_between_words(expression: str, expected: str) -> None:
    used = {"t": WORDS} if "t|" in expression else {"h": HISTORY} if "h|" in expression else {}
    assert rendered("{{ " + expression + " }}", **used) == expected


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("t|first_tokens(-1)", "tokens are refused"),
        ("t|first_tokens('5')", "is not a whole number"),
        ("t|first_tokens(2000000)", "tokens are refused"),
        ("t|last_turns(2)", "a history is a list, not a str"),
        ("[t]|last_turns(-1)", "turns are refused"),
        ("[t]|last_turns(true)", "is not a whole number"),
        ("t|summarised('x', 1)", "a history is a list"),
    ],
)
def test_what_makes_no_sense_is_refused(expression: str, says: str) -> None:
    with pytest.raises(TemplateRefused, match=says):
        rendered("{{ " + expression + " }}", t=WORDS)


@pytest.mark.parametrize("text", ["", " ", "a" * 100_000, "\n" * 999, "x y " * 9_999, "😀" * 99, "é" * 99, "\x00\x01"])
@pytest.mark.parametrize("most", [0, 1, 7, 100])
def test_what_is_left_has_at_most_so_many_tokens_and_was_there(text: str, most: int) -> None:
    for name in ("first_tokens", "last_tokens"):
        template = compile_template("<{{ t|NAME(n) }}>".replace("NAME", name), {}, path="v1.j2")
        (message,) = template.render({"t": text, "n": most})
        left = message.content[1:-1]
        assert left in text
        assert estimate(left) <= most
        assert left == text or estimate(text) > most


def test_a_document_of_a_megabyte_ends_within_the_limits_of_a_rendering() -> None:
    assert 900 < estimate(rendered("{{ t|first_tokens(1000) }}", t="word, " * 180_000)) <= 1_000
