"""How far two values are apart, and which of their items belong together."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.diff import differences
from promptops.core.distance import distance
from promptops.core.paths import find, parse_path

LEAVES = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 1.0, -0.0]) | st.text("ab ", max_size=4)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["id", "a", "b"]), inner, max_size=3),
    max_leaves=12,
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "ignore_order": st.booleans(),
        "significant_digits": st.integers(0, 3),
        "ignore_case": st.booleans(),
        "exclude_paths": st.sampled_from([["a"], ["root[*]['id']"]]),
    },
)


@pytest.mark.parametrize(
    ("expected", "actual", "options", "value", "paths"),
    [
        ({"a": 1, "b": "x"}, {"b": "x", "a": 1.0}, {}, 0, ()),
        ({"a": 1, "b": 2, "c": 3, "d": 4}, {"a": 1, "b": 2, "c": 3, "d": 5}, {}, 1 / 4, ("root['d']",)),
        ({"a": 1}, {"a": 1, "b": {"c": 1, "d": 2}}, {}, 2 / 3, ("root['b']",)),
        ({"a": 1}, {"a": 1, "b": {"c": 1, "d": 2}}, {"subset": True}, 0, ()),
        ({"a": 1, "b": 1}, {"a": 1, "c": 9}, {"subset": True}, 1 / 2, ("root['b']",)),
        ("refund the order", "refund order", {}, 1 - 4 / 5, ("root",)),
        ("a b", "b a", {}, 1 / 5, ("root",)),
        (1, "1", {}, 1, ("root",)),
        (100, 101, {}, 1, ("root",)),
        ([], {}, {}, 1, ("root",)),
        ([], [1], {}, 1, ("root[0]",)),
        ([1, 2, 3], [3, 1, 2], {"ignore_order": True}, 0, ()),
        ([2, 3, 4, 5], [1, 2, 3, 4, 5], {}, 1 / 5, ("root[0]",)),
        (
            [{"id": 1, "v": 1}, {"id": 2, "v": 2}],
            [{"id": 2, "v": 3}, {"id": 1, "v": 1}],
            {"ignore_order": True},
            1 / 4,
            ("root[1]['v']",),
        ),
        (
            [{"x": "p", "y": "q", "z": "r"}, {"x": "s", "y": "t", "z": "u"}],
            [{"x": "s", "y": "t", "z": "-"}, {"x": "p", "y": "q", "z": "r"}],
            {"ignore_order": True},
            1 / 6,
            ("root[1]['z']",),
        ),
        (
            [{"id": 2, "v": [7]}, {"id": 1, "v": [5]}, 9, 9],
            [9, 9, {"id": 1, "v": [5, 6]}, {"id": 2, "v": [7]}],
            {"ignore_order": True},
            1 / 7,
            ("root[2]['v'][1]",),
        ),
        (
            [9, 9, {"id": 1, "v": {"a": 5}}],
            [{"id": 1, "v": {"a": 5, "b": 6}}, 9, 9],
            {"ignore_order": True},
            1 / 5,
            ("root[0]['v']['b']",),
        ),
        (float("nan"), float("nan"), {}, 0, ()),
        (float("inf"), 10**400, {"significant_digits": 2}, 1, ("root",)),
    ],
)
def test_it_is_the_share_of_leaves_that_differ(
    expected: Any, actual: Any, options: dict[str, Any], value: float, paths: tuple[str, ...]
) -> None:
    found = distance(expected, actual, **options)
    assert found.value == pytest.approx(value)
    assert found.paths == paths


@given(JSON, JSON, OPTIONS, st.booleans())
def test_it_is_zero_exactly_where_nothing_differs(one: Any, other: Any, options: dict[str, Any], subset: bool) -> None:
    found = distance(one, other, subset=subset, **options)
    assert 0 <= found.value <= 1
    assert (found.value == 0) == (found.paths == ()) == (differences(one, other, subset=subset, **options) == ())


@given(JSON, JSON, OPTIONS)
def test_every_path_stands_in_one_of_the_two(one: Any, other: Any, options: dict[str, Any]) -> None:
    for path in distance(one, other, **options).paths:
        steps = parse_path(path, "root") if path != "root" else ()
        assert find(one, steps) or find(other, steps)


@given(JSON, JSON, OPTIONS)
def test_it_is_symmetric(one: Any, other: Any, options: dict[str, Any]) -> None:
    assert distance(one, other, **options).value == pytest.approx(distance(other, one, **options).value)


@given(JSON, JSON, st.integers(0, 9))
def test_shuffling_changes_nothing_where_order_is_ignored(one: Any, other: Any, seed: int) -> None:
    found = distance(one, shuffled(other, random.Random(seed)), ignore_order=True)
    assert found.value == pytest.approx(distance(one, other, ignore_order=True).value)


@given(st.lists(JSON, max_size=6), st.lists(JSON, max_size=6), OPTIONS)
def test_items_that_both_have_cost_nothing_where_order_is_ignored(
    one: Any, other: Any, options: dict[str, Any]
) -> None:
    options = {**options, "ignore_order": True}
    both = distance([*one, {"z": 7}], [{"z": 7}, *other], **options)
    assert both.value <= distance(one, other, **options).value + 1e-9


def test_values_of_any_depth_are_measured() -> None:
    one: Any = 1
    other: Any = 2
    for _ in range(50_000):
        one, other = [one], {"a": other}
    assert distance(one, one).value == 0
    assert distance(one, other).value == 1
    deep: Any = [3]
    for _ in range(5_000):
        deep = [deep, 0]
    changed: Any = [4]
    for _ in range(5_000):
        changed = [changed, 0]
    assert distance(deep, changed, ignore_order=True, subset=True).value > 0


@pytest.mark.parametrize("options", [{}, {"ignore_order": True}, {"ignore_order": True, "subset": True}])
@pytest.mark.parametrize("kind", ["near duplicates", "one id", "zeros", "nested", "shared words"])
def test_records_made_to_be_hard_take_bounded_work(kind: str, options: dict[str, Any]) -> None:
    one, other = HARD[kind](3_000, 1), HARD[kind](3_000, 2)
    found = distance(one, other, **options)
    assert 0 < found.value <= 1
    assert found == distance(one, other, **options)


def near_duplicates(count: int, seed: int) -> Any:
    dice = random.Random(seed)
    return [{name: dice.randrange(2) for name in "abcdefghijkl"} for _ in range(count)]


def one_id(count: int, seed: int) -> Any:
    dice = random.Random(seed)
    return [{"id": 7, "name": "x", "v": dice.random()} for _ in range(count)]


def zeros(count: int, seed: int) -> Any:
    return [0] * (count * 5) + [seed]


def nested(count: int, seed: int) -> Any:
    dice = random.Random(seed)
    return [[[{"a": [dice.randrange(3)]}, {"b": dice.randrange(3)}] for _ in range(30)] for _ in range(count // 30)]


def shared_words(count: int, seed: int) -> Any:
    dice = random.Random(seed)
    return [" ".join(dice.choice("abcde") for _ in range(8)) for _ in range(count)]


HARD = {
    "near duplicates": near_duplicates,
    "one id": one_id,
    "zeros": zeros,
    "nested": nested,
    "shared words": shared_words,
}


def shuffled(value: Any, dice: random.Random) -> Any:
    if isinstance(value, dict):
        return {key: shuffled(item, dice) for key, item in value.items()}
    if isinstance(value, list):
        items = [shuffled(item, dice) for item in value]
        dice.shuffle(items)
        return items
    return value
