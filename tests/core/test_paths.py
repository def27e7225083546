"""Paths into JSON."""

from __future__ import annotations

from typing import Any

import pytest

from promptops.core.paths import EVERY, find, parse_path, without

VALUE = {"items": [{"name": "a", "n": 1}, {"name": "b"}], "it's": {"x y": 3}, "": 4, "größe": 5}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$", [VALUE]),
        ("$.items[0].name", ["a"]),
        ("$.items[-1].name", ["b"]),
        ("$.items[*].name", ["a", "b"]),
        ("$.items.*.n", [1]),
        ("$['items'][1]", [{"name": "b"}]),
        ('$["it\'s"]["x y"]', [3]),
        ("$['it\\'s']['x y']", [3]),
        ("$['']", [4]),
        ("$.größe", [5]),
        ("$.items[2]", []),
        ("$.items[-3]", []),
        ("$.items.name", []),
        ("$.nothing[0].x", []),
        ("$['items'][0]['name'][0]", []),
    ],
)
def test_a_path_finds_what_it_names(path: str, found: list[Any]) -> None:
    assert find(VALUE, parse_path(path, "$")) == found


@pytest.mark.parametrize(
    "path", ["", "items", "$.", "$..name", "$[", "$[0", "$[a]", "$[?(@.n)]", "$[0:2]", "$.a b", "$['a", "$[1,2]", "$x"]
)
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="is not a path"):
        parse_path(path, "$")


def test_every_is_told_from_a_key_that_is_a_star() -> None:
    assert parse_path("$['*'][*]", "$") == ("*", EVERY)


def test_many_stars_do_not_multiply_without_bound() -> None:
    value: Any = [1] * 30
    for _ in range(5):
        value = [value] * 30
    assert len(find(value, parse_path("$[*][*][*][*][*][*]", "$"))) == 10_000


def test_excluded_parts_are_left_out_of_a_copy() -> None:
    paths = [parse_path("root['items'][*]['n']", "root"), parse_path("root['']", "root")]
    assert without(VALUE, paths) == {"items": [{"name": "a"}, {"name": "b"}], "it's": {"x y": 3}, "größe": 5}
    assert VALUE["items"][0]["n"] == 1  # type: ignore[index]
    assert without([1, 2, 3], [parse_path("root[-1]", "root")]) == [1, 2]
