"""A document that is written piece by piece is the one that is written at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.reporting.json_stream import json_pieces

plain: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


def lazy(value: Any) -> Any:
    """The value with an iterator in place of every list."""
    if isinstance(value, dict):
        return {key: lazy(item) for key, item in value.items()}
    return (lazy(item) for item in value) if isinstance(value, list) else value


def whole(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)


@given(plain)
def test_the_pieces_are_the_whole(value: Any) -> None:
    assert "".join(json_pieces(value)) == whole(value)
    assert "".join(json_pieces(lazy(value))) == whole(value)


@pytest.mark.parametrize("mixed", [lambda: {"b": iter([{"x": [1, {}]}]), "a": []}, lambda: [{"a": iter(())}, ("b",)]])
def test_iterators_may_stand_anywhere(mixed: Any) -> None:
    assert "".join(json_pieces(mixed())) == whole(json.loads("".join(json_pieces(mixed()))))


def test_items_are_taken_as_they_are_written() -> None:
    taken = []

    def items() -> Iterator[int]:
        for number in range(3):
            taken.append(number)
            yield number

    pieces = json_pieces({"cases": items()})
    while "1" not in next(pieces):
        pass
    assert taken == [0, 1]
