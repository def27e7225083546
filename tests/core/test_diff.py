"""What counts as a difference, and how it is told."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.diff import differences
from promptops.models import Difference

LEAVES = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from([0.5, 1.0, -0.0, 1e300]) | st.text(max_size=3)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("expected", "actual", "options"),
    [
        ({"a": 1}, {"a": 1.0}, {}),
        ({"a": 10**40}, {"a": 10**40}, {}),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, {}),
        ({"a": {"x": 1}}, {"a": {"x": 1, "y": 2}, "z": 3}, {"subset": True}),
        ([{"a": 1}], [{"a": 1, "b": 2}], {"subset": True}),
        ([3, 1, 2], [1, 2, 3], {"ignore_order": True}),
        ({"a": [[1, 2], [3]]}, {"a": [[3], [2, 1]]}, {"ignore_order": True}),
        (
            [{"a": 1}, {"a": 1, "b": 2}],
            [{"a": 1, "b": 2, "c": 1}, {"a": 1, "c": 3}],
            {"subset": True, "ignore_order": True},
        ),
        ([{"a": 1}, {"b": 1}], [{"a": 1, "b": 1}, {"a": 1}], {"subset": True, "ignore_order": True}),
        ({"a": 1.2341}, {"a": 1.2344}, {"significant_digits": 3}),
        ({"a": -0.0001}, {"a": 0}, {"significant_digits": 2}),
        ([0.1 + 0.2, 1], [1, 0.3], {"significant_digits": 5, "ignore_order": True}),
        ({"a": 1, "note": "x"}, {"a": 1, "note": "y"}, {"exclude_paths": ["root['note']"]}),
        ({"a": 1, "note": "x"}, {"a": 1}, {"exclude_paths": ["note"]}),
        ({"i": [{"n": 1, "t": 2}]}, {"i": [{"n": 1, "t": 3}]}, {"exclude_paths": ["root['i'][*]['t']"]}),
        ({"a": "Straße"}, {"a": "STRASSE"}, {"ignore_case": True}),
        (["B", "a"], ["A", "b"], {"ignore_case": True, "ignore_order": True}),
    ],
)
def test_equal_under_the_options(expected: Any, actual: Any, options: dict[str, Any]) -> None:
    assert differences(expected, actual, **options) == ()


@pytest.mark.parametrize(
    ("expected", "actual", "options", "told"),
    [
        ({"t": "14:30"}, {"t": "14:00"}, {}, [("root['t']", "values_changed", "14:30", "14:00")]),
        ({"a": 1}, {"a": True}, {}, [("root['a']", "type_changes", 1, True)]),
        ({"a": 0}, {"a": False}, {"ignore_order": True}, [("root['a']", "type_changes", 0, False)]),
        (1, 2.5, {}, [("root", "values_changed", 1, 2.5)]),
        (None, {"a": 1}, {}, [("root", "type_changes", None, {"a": 1})]),
        (
            {"a": 1},
            {"b": 1},
            {},
            [("root['a']", "dictionary_item_removed", 1, None), ("root['b']", "dictionary_item_added", None, 1)],
        ),
        ({"a": 1, "b": 2}, {"a": 1}, {"subset": True}, [("root['b']", "dictionary_item_removed", 2, None)]),
        ([1, 2], [1, 2, 3], {"subset": True}, [("root[2]", "iterable_item_added", None, 3)]),
        (["a", "b"], ["x", "a", "b"], {}, [("root[0]", "iterable_item_added", None, "x")]),
        ([1, 1, 2], [1, 2, 2], {"ignore_order": True}, [("root[1]", "values_changed", 1, 2)]),
        (
            [{"id": 1, "v": 1}, {"id": 2, "v": 2}],
            [{"id": 2, "v": 3}, {"id": 1, "v": 1}],
            {"ignore_order": True},
            [("root[1]['v']", "values_changed", 2, 3, "root[0]['v']", "id 2")],
        ),
        ({"__x": 1}, {"__x": 2}, {}, [("root['__x']", "values_changed", 1, 2)]),
        ({"it's": 1}, {"it's": 2}, {}, [('root["it\'s"]', "values_changed", 1, 2)]),
        ({"a": "x"}, {"a": "X"}, {}, [("root['a']", "values_changed", "x", "X")]),
        ({"a": 1.234}, {"a": 1.239}, {"significant_digits": 3}, [("root['a']", "values_changed", 1.234, 1.239)]),
        (
            list(range(12)),
            [*range(9), 90, 100, 110],
            {},
            [(f"root[{n}]", "values_changed", n, n * 10) for n in (9, 10, 11)],
        ),
    ],
)
def test_differences_are_told_path_by_path(
    expected: Any, actual: Any, options: dict[str, Any], told: list[tuple[Any, ...]]
) -> None:
    assert differences(expected, actual, **options) == tuple(Difference(*each) for each in told)


@given(JSON, JSON)
def test_nothing_differs_exactly_where_the_values_are_the_same_json(one: Any, other: Any) -> None:
    assert differences(one, one) == ()
    assert bool(differences(one, other)) == (_canonical(one) != _canonical(other))


@given(JSON)
def test_order_is_ignored_at_every_depth(value: Any) -> None:
    assert differences(value, _shuffled(value, random.Random(1)), ignore_order=True) == ()


@given(JSON)
def test_further_keys_are_free_in_a_subset(value: Any) -> None:
    assert differences(value, _with_more(value), subset=True) == ()


def test_large_lists_are_compared() -> None:
    dice = random.Random(2)
    expected: list[Any] = [{"id": n, "value": dice.random()} for n in range(8_000)]
    actual = [dict(record) for record in expected]
    actual[7]["value"] = -1
    dice.shuffle(actual)
    assert len(differences(expected, actual, ignore_order=True)) == 1
    assert len(differences(expected, actual, ignore_order=True, subset=True)) == 1


def test_thousands_of_records_of_few_kinds_are_found_among_those_with_further_keys() -> None:
    expected: list[Any] = [{"a": at % 7, "c": 1} if at % 2 else {"a": at % 7} for at in range(3_000)]
    actual: list[Any] = [{"a": at % 7, "b": at} | ({"c": 1} if at % 3 else {}) for at in range(3_000)]
    assert differences(expected, actual, ignore_order=True, subset=True) == ()
    actual[0] = {"a": 8}
    assert len(differences(expected, actual, ignore_order=True, subset=True)) == 1


def test_long_texts_are_told_around_their_first_difference() -> None:
    (found,) = differences({"a": "x" * 5000}, {"a": "x" * 4000 + "y" * 1000})
    assert str(found.expected).startswith("…xxx")
    assert "xy" in str(found.actual)
    assert len(str(found.actual)) < 2_100


def test_equal_values_need_no_deepdiff() -> None:
    code = "from promptops.core.diff import differences; assert differences([1], [1.0]) == ()"
    subprocess.run([sys.executable, "-c", f"{code}; import sys; assert 'deepdiff' not in sys.modules"], check=True)


def _canonical(value: Any) -> Any:
    """A value of which `==` means the same JSON value."""
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return (
        ("number", value)
        if isinstance(value, int | float) and not isinstance(value, bool)
        else (str(type(value)), value)
    )


def _shuffled(value: Any, dice: random.Random) -> Any:
    if isinstance(value, dict):
        return {key: _shuffled(item, dice) for key, item in value.items()}
    if isinstance(value, list):
        items = [_shuffled(item, dice) for item in value]
        dice.shuffle(items)
        return items
    return value


def _with_more(value: Any) -> Any:
    if isinstance(value, dict):
        return {**{key: _with_more(item) for key, item in value.items()}, "more": 1}
    return [_with_more(item) for item in value] if isinstance(value, list) else value
