"""The schema in words. They are sent and are not in the request digest as such: whoever changes them changes this."""

from __future__ import annotations

from promptops.core.structured import instructed, instruction
from promptops.models import Message

SCHEMA = {"type": "object", "properties": {"b": {"type": "string"}, "a": {"const": "é"}}}
WORDS = (
    "Answer with one JSON value that satisfies this JSON Schema, and with nothing else:\n"
    '{"properties": {"a": {"const": "é"}, "b": {"type": "string"}}, "type": "object"}'
)


def test_the_words_are_these_and_do_not_depend_on_the_order_of_keys() -> None:
    assert instruction(SCHEMA) == WORDS
    assert instruction(dict(reversed(SCHEMA.items()))) == WORDS


def test_they_stand_at_the_end_of_the_system_message_or_in_one_of_their_own() -> None:
    system, user = Message("system", "Be brief."), Message("user", "hi")
    assert instructed((system, user), "W") == (Message("system", "Be brief.\n\nW"), user)
    assert instructed((user,), "W") == (Message("system", "W"), user)
