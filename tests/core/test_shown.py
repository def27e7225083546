from __future__ import annotations

from typing import Any

import pytest

from promptops.core.shown import short, shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        ("two\nlines", '"two\\nlines"'),
        ({"a": [1, 2.5, "ü"]}, '{"a": [1, 2.5, "ü"]}'),
        ({1}, "set"),
        ("x" * 100, '"' + "x" * 78 + "…"),
    ],
)
def test_a_value_is_shown_as_json_on_one_short_line(value: Any, text: str) -> None:
    assert shown(value) == text


def test_a_value_that_nests_without_end_is_named_by_its_type() -> None:
    value: list[Any] = []
    value.append(value)
    assert shown(value) == "list"


@pytest.mark.parametrize(("text", "limit", "kept"), [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("", 3, "")])
def test_a_text_is_cut_where_it_is_too_long(text: str, limit: int, kept: str) -> None:
    assert short(text, limit) == kept
