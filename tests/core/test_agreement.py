"""The share of what was expected that is right."""

from __future__ import annotations

import pytest

from promptops.core.agreement import agreement
from promptops.core.diff import Comparison
from promptops.models import Json

EXACT, SUBSET = Comparison(), Comparison(subset=True)


@pytest.mark.parametrize(
    ("expected", "actual", "how", "share"),
    [
        ("a", "a", EXACT, 1.0),
        ("a", "b", EXACT, 0.0),
        (1, 1.0, EXACT, 1.0),
        (1, True, EXACT, 0.0),
        ({}, {}, EXACT, 1.0),
        ({"a": 1, "b": 2}, {"a": 1, "b": 2}, EXACT, 1.0),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, EXACT, 0.5),
        ({"a": 1, "b": 2}, {"a": 1}, EXACT, 0.5),
        ({"a": 1, "b": {"c": 1, "d": 2, "e": 3}}, {"a": 1}, EXACT, 0.25),
        ({"a": 1}, {"a": 1, "z": 2}, EXACT, 0.5),
        ({"a": 1}, {"a": 1, "z": 2}, SUBSET, 1.0),
        ([1, 2, 3, 4], [1, 2, 3], EXACT, 0.75),
        ([1, 2], [1, 2, 3, 4], EXACT, 0.5),
        ([3, 1, 2], [1, 2, 3], Comparison(ignore_order=True), 1.0),
        ({"a": {"b": 1}}, {"a": 1}, EXACT, 0.0),
        ({"a": 1}, None, EXACT, 0.0),
        ({"a": "X", "b": 1}, {"a": "x", "b": 2}, Comparison(ignore_case=True), 0.5),
        ({"a": 1, "note": "x"}, {"a": 1, "note": "y"}, Comparison(exclude_paths=(("note",),)), 1.0),
    ],
)
def test_the_share_of_leaves_that_are_right(expected: Json, actual: Json, how: Comparison, share: float) -> None:
    assert agreement(expected, actual, how) == share
