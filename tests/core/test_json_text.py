"""What find_json takes out of an answer, what it says it did, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptops.core.json_text import MAX_REPAIR, MAX_TEXT, Wants, find_json

FENCE = "took the JSON out of a ```json fence"


@pytest.mark.parametrize(
    ("text", "value", "repairs"),
    [
        ('{"a": 1}', {"a": 1}, ()),
        (' \n{"a": 1}\n ', {"a": 1}, ()),
        ("[1, 2]", [1, 2], ()),
        ('"x"', "x", ()),
        ("12345678901234567890123456789012345678901234567890", int("1234567890" * 5), ()),
        ('```json\n{"a": 1}\n```', {"a": 1}, (FENCE,)),
        ('```\n{"a": 1}\n```', {"a": 1}, ("took the JSON out of a ``` fence",)),
        ('Sure!\n```json\n{"a": 1}\n```\nAnything else?', {"a": 1}, (FENCE,)),
        ('I think {"a": 1}', {"a": 1}, ("removed text before the JSON",)),
        ('{"a": 1} is it', {"a": 1}, ("removed text after the JSON",)),
        ('So {"a": 1} it is', {"a": 1}, ("removed text before and after the JSON",)),
        ('{"a": 1} and again {"a": 1}', {"a": 1}, ("removed text after the JSON",)),
        ('As in [1]: {"a": 1}.', {"a": 1}, ("removed text before and after the JSON",)),
        ('Use {braces} as {"a": "}"}', {"a": "}"}, ("removed text before the JSON",)),
        ('x ```json\n{"a": "```"}\n``` y', {"a": "```"}, ("removed text before and after the JSON",)),
        ('{"a": 1, "a": 2}', {"a": 2}, ("key 'a' stands twice; the last value counts",)),
        ("{'a': 'b'}", {"a": "b"}, ("repaired: quotes, commas or comments that JSON does not allow",)),
        ('{"a": 1', {"a": 1}, ("repaired: closed what the output left open",)),
        (
            '```json\n{"a": 1',
            {"a": 1},
            (f"{FENCE} that is never closed", "repaired: closed what the output left open"),
        ),
        (
            '```json\n{"a": 1,}\n```',
            {"a": 1},
            (FENCE, "repaired: quotes, commas or comments that JSON does not allow"),
        ),
    ],
)
def test_the_json_of_an_answer_is_found_and_every_repair_is_told(
    text: str, value: Any, repairs: tuple[str, ...]
) -> None:
    found = find_json(text)
    assert (found.value, found.repairs, found.problem) == (value, repairs, "")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the output is empty"),
        (" \n ", "the output is empty"),
        ("I cannot help with that.", "there is no JSON object in the output"),
        ("I used {curly} words", "there is no JSON object in the output"),
        ("[1, 2", "there is no JSON object in the output"),
        ("```\nno json\n```", "there is no JSON object in the output"),
        ('{"a": 1} or {"a": 2}', "the output holds 2 different JSON values; which one is meant?"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": -Infinity}', "-Infinity is not JSON"),
        ('```json\n{"a": NaN}\n```', "NaN is not JSON"),
        ('{"a": 1e999}', "1e999 is too large for a number"),
        ("1" * 5000, "a number of 5,000 digits is too long"),
        ('{"a": "\\ud800"}', "\\ud800 is half of a character: not Unicode text"),
        ('{"a":' * 101 + "1" + "}" * 101, "the JSON nests deeper than 100 levels"),
        ("[" * 100_000, "there is no JSON object in the output"),
        (
            '{"a": ' + "1" * (MAX_TEXT + 1) + "}",
            f"the output has {MAX_TEXT + 8:,} characters; at most 1,048,576 are parsed",
        ),
    ],
)
def test_an_answer_without_one_clear_value_has_none(text: str, problem: str) -> None:
    found = find_json(text)
    assert (found.value, found.problem) == (None, problem)


def test_what_is_too_long_to_repair_is_not_repaired() -> None:
    found = find_json('{"a": "' + "x" * MAX_REPAIR + '",}')
    assert found.value is None
    assert "too long to repair" in found.problem


@pytest.mark.parametrize(("wants", "value"), [("array", [1]), ("object", {"a": 1}), ("any", {"a": 1})])
def test_the_kind_that_the_contract_wants_is_taken(wants: Wants, value: Any) -> None:
    assert find_json('[1] then {"a": 1}', wants).value == value


@pytest.mark.parametrize(
    "text",
    [
        '{"a":' * 50_000,
        '{"' * 300_000,
        "[[" * 400_000 + "{",
        "```" * 300_000,
        "```json\n{" * 50_000,
        '{"a": "' + 'x\\"' * 20_000,
        "{" * 30_000 + "}" * 30_000,
        '{"a": ' + '"b" ' * 16_000,
        "{" + "'a'," * 16_000,
        '{"a": [' + "{'b': [" * 9_000,
    ],
)
def test_hostile_text_ends_in_a_value_or_a_problem(text: str) -> None:
    found = find_json(text)
    assert (found.value is None) == bool(found.problem)


PARTS = ["{", "}", "[", "]", '"a"', '"b"', ":", ",", "1", "1e400", "NaN", "null", '"x"', "```json\n", "```", "\n", "'"]


@given(
    st.lists(
        st.sampled_from([*PARTS, "\\u0000", "\ud800", "\x1b[2J", '"\\ud83d"', "9" * 400, "-", "\0", "prose "]),
        max_size=30,
    )
)
@settings(max_examples=400)
def test_no_rubble_of_json_raises(parts: list[str]) -> None:
    found = find_json("".join(parts))
    assert found.problem == "" or found.value is None


@given(st.text(alphabet="{}[]\":,\\`ab1 \n/eN-.'", max_size=60))
def test_no_text_raises(text: str) -> None:
    found = find_json(text)
    assert found.problem == "" or found.value is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(JSON)
def test_json_comes_back_as_it_was(value: Any) -> None:
    import json

    found = find_json(json.dumps(value))
    assert (found.value, found.repairs, found.problem) == (value, (), "")
